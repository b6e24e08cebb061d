import { ServerCredentials } from '@grpc/grpc-js';
import type { ServerTls } from '../tls/server-tls.ts';

/** The TLS that all doors have: grpc-js' own would choose ciphers by itself and keep its first certificate. */
export class TlsCredentials extends ServerCredentials {
  constructor(tls: ServerTls) {
    super({ requestCert: tls.isMutual, rejectUnauthorized: tls.isMutual }, tls.context);
    tls.onRenewal((context) => this.updateSecureContextOptions(context));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
