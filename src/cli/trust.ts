import { readFile } from 'node:fs/promises';
import type { Config } from '../kernel/config.ts';

/** What a caller of the service comes with: files, as given on the command line, when it speaks TLS with it. */
export interface TrustFiles {
  /** The name of the service, for a token of its own. Every subcommand has it: see `runCommandLine`. */
  readonly issuer?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** What a caller trusts and shows: PEM, as `node:tls` takes it. */
export interface Trust {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Undefined when the service speaks clear text. Without a CA file, the service's own certificate is what is trusted. */
export async function readTrust({ tls }: Pick<Config, 'tls'>, files: TrustFiles): Promise<Trust | undefined> {
  if (!tls) return undefined;
  const [ca, cert, key] = await Promise.all(
    [files.ca ?? tls.certFile, files.cert, files.key].map((file) => (file ? readFile(file) : undefined)),
  );
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}
