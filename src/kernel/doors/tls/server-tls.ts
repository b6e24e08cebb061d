import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

/** The contents of the PEM files by which a door proves itself and, with a CA, makes its callers prove themselves. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Mutual TLS: callers need a certificate that this CA signed. */
  readonly clientCa?: Buffer | undefined;
}

/** The files are no certificate, or not the one of the key. */
export class TlsFilesInvalid extends Error {
  constructor(cause: unknown) {
    super(`the certificate and its key cannot be used: ${cause instanceof Error ? cause.message : cause}`, { cause });
    this.name = 'TlsFilesInvalid';
  }
}

/**
 * TLS 1.3, and of TLS 1.2 what has forward secrecy and authenticated encryption (RFC 9325, 4.1 and 4.2; RFC 9113, 9.2.2 forbids the
 * rest with HTTP/2). A caller cannot have keys negotiated again over and over (RFC 9113, 9.2.1).
 */
const RULES: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
};

/** What every door that speaks TLS does it by: the rules, and the files, which can be renewed while the doors are open. */
export class ServerTls {
  #files: TlsFiles;
  readonly #doors = new Set<(context: SecureContextOptions) => void>();

  /** Throws TlsFilesInvalid. */
  constructor(files: TlsFiles) {
    check(files);
    this.#files = files;
  }

  get context(): SecureContextOptions {
    return contextOf(this.#files);
  }

  /** Whether callers need a certificate: for as long as the process lives. */
  get isMutual(): boolean {
    return this.#files.clientCa !== undefined;
  }

  /** For people: whose certificate it is and until when. */
  get certificate(): { readonly subject: string; readonly validTo: string; readonly serial: string } {
    const { subject, validToDate, serialNumber } = new X509Certificate(this.#files.cert);
    return { subject: subject ?? '', validTo: validToDate.toISOString(), serial: serialNumber };
  }

  /** Handshakes from now on are made by these files. Throws TlsFilesInvalid and changes nothing then. */
  renew(files: TlsFiles): void {
    check(files);
    this.#files = files;
    for (const use of this.#doors) use(this.context);
  }

  has({ cert, key, clientCa }: TlsFiles): boolean {
    const { cert: ownCert, key: ownKey, clientCa: ownCa } = this.#files;
    return ownCert.equals(cert) && ownKey.equals(key) && (ownCa ?? NOTHING).equals(clientCa ?? NOTHING);
  }

  /** Calls `use` with every renewal. */
  onRenewal(use: (context: SecureContextOptions) => void): void {
    this.#doors.add(use);
  }
}

const NOTHING = Buffer.alloc(0);

const contextOf = ({ cert, key, clientCa }: TlsFiles): SecureContextOptions => ({
  ...RULES,
  cert,
  key,
  ...(clientCa && { ca: clientCa }),
});

function check(files: TlsFiles): void {
  try {
    createSecureContext(contextOf(files));
    if (files.clientCa) new X509Certificate(files.clientCa);
  } catch (error) {
    throw new TlsFilesInvalid(error);
  }
}
