import { resolve } from 'node:path';
import type { SettingsReader } from '../settings.ts';
import { together } from './together.ts';

export interface TlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string | undefined;
}

export function readTls(reader: SettingsReader): TlsConfig | undefined {
  const clientCaFile = reader.text('TLS_CLIENT_CA_FILE');
  const tls = together(reader, ['TLS_CERT_FILE', 'TLS_KEY_FILE'], ([certFile, keyFile]) => ({
    certFile: resolve(certFile),
    keyFile: resolve(keyFile),
    clientCaFile,
  }));
  if (!tls && clientCaFile !== undefined) reader.problem('TLS_CLIENT_CA_FILE is set, but TLS_CERT_FILE and TLS_KEY_FILE are not');
  return tls;
}
