import { readFile, stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { openFileProblem } from '../auth/private-file.ts';
import { ConfigError } from '../config/config-error.ts';
import type { Config } from '../config.ts';
import { ServerTls, type TlsFiles, TlsFilesInvalid } from '../doors/tls/server-tls.ts';
import { watchTlsFiles } from '../doors/tls/watch-tls-files.ts';

type Files = NonNullable<Config['tls']>;

/** The certificates of the doors, and what takes them over when their files change. */
export interface Tls {
  readonly server: ServerTls | undefined;
  readonly renew: () => Promise<void>;
}

/** Reads TLS_CERT_FILE and TLS_KEY_FILE, if they are set, and watches them until `stack` is disposed. Throws ConfigError. */
export async function startTls(
  files: Config['tls'],
  { logger, stack }: { logger: Logger; stack: AsyncDisposableStack },
): Promise<Tls> {
  if (!files) return { server: undefined, renew: async () => {} };
  const server = await openTls(files);
  await warnOfOpenKey(files.keyFile, logger);
  const watch = watchTlsFiles(server, { read: () => readTlsFiles(files), logger });
  stack.defer(() => watch.stop());
  return { server, renew: () => watch.renew() };
}

async function openTls(files: Files): Promise<ServerTls> {
  try {
    return new ServerTls(await readTlsFiles(files));
  } catch (error) {
    throw error instanceof TlsFilesInvalid ? new ConfigError([`TLS_CERT_FILE and TLS_KEY_FILE: ${error.message}`]) : error;
  }
}

/** A warning and no more: what mounts certificates, such as Kubernetes by default, lets everybody in its container read them. */
async function warnOfOpenKey(file: string, logger: Logger): Promise<void> {
  const problem = openFileProblem(await stat(file));
  if (problem !== undefined) logger.warn(`TLS_KEY_FILE: ${file} ${problem}`);
}

async function readTlsFiles(files: Files): Promise<TlsFiles> {
  const problems: string[] = [];
  const read = (variable: string, file: string): Promise<Buffer> =>
    readFile(file).catch((error: Error) => {
      problems.push(`${variable} cannot be read: ${error.message}`);
      return Buffer.alloc(0);
    });
  const [cert, key, clientCa] = await Promise.all([
    read('TLS_CERT_FILE', files.certFile),
    read('TLS_KEY_FILE', files.keyFile),
    files.clientCaFile === undefined ? undefined : read('TLS_CLIENT_CA_FILE', files.clientCaFile),
  ]);
  if (problems.length > 0) throw new ConfigError(problems);
  return { cert, key, clientCa };
}
