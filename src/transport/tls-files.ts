/** The contents of the PEM files by which a door proves itself and, with a CA, makes its callers prove themselves. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Mutual TLS: callers need a certificate that this CA signed. */
  readonly clientCa?: Buffer | undefined;
}
