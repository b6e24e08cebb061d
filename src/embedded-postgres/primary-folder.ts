import { chown, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import type { ClusterHome } from './cluster-home.ts';
import { dataFolderVersion, UNFINISHED } from './data-folder.ts';
import { DataDirUnusable, DataFolderVersionDiffers, PrimaryMissing, UserHasNoName } from './errors.ts';
import type { Executables } from './executables.ts';
import { run } from './operating-system-user.ts';

/** What initdb says where /etc/passwd has no line for the user, as in a container that is given a number alone. */
const NAMELESS = /could not look up (effective user ID|local user ID)/;

/**
 * Whether there is a primary of this version to go on with. Throws when there is something else that only the operator can judge:
 * `DataFolderVersionDiffers`, `PrimaryMissing`, `DataDirUnusable`.
 */
export async function primaryFolderExists(primary: string, replica: string, needed: string): Promise<boolean> {
  const found = await dataFolderVersion(primary);
  if (found === needed) return true;
  if (found) throw new DataFolderVersionDiffers(primary, found, needed);
  if (await readdir(primary).catch(() => undefined)) {
    throw new DataDirUnusable(primary, 'is not a PostgreSQL data folder; move it away, or restore its contents');
  }
  if (await dataFolderVersion(replica)) throw new PrimaryMissing(primary, replica);
  return false;
}

/** Makes an empty database cluster: UTF-8, the same order of strings on every machine, page checksums. Whole or not there. */
export async function makePrimaryFolder(options: {
  readonly folder: string;
  readonly home: ClusterHome;
  readonly executables: Executables;
  readonly durable: boolean;
}): Promise<void> {
  const { folder, home, executables, durable } = options;
  const unfinished = await mkdtemp(`${folder}${UNFINISHED}`);
  if (home.runAs) await chown(unfinished, home.runAs.uid, home.runAs.gid);
  const args = ['-D', unfinished, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--locale-provider=builtin'];
  args.push('--builtin-locale=C.UTF-8', '--data-checksums', '--no-instructions', ...(durable ? [] : ['--no-sync']));
  const { code, output } = await run(executables.initdb, args, home.runAs);
  if (code !== 0) {
    await rm(unfinished, { recursive: true, force: true });
    if (NAMELESS.test(output)) throw new UserHasNoName(home.runAs?.uid ?? process.getuid?.() ?? 0);
    throw new DataDirUnusable(folder, `initdb could not make it:\n${output.split('\n').slice(-12).join('\n')}`);
  }
  await rename(unfinished, folder);
}
