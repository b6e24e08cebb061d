import { constants } from 'node:fs';
import { chown, copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.ts';
import { ReplicaCannotBeMade } from './errors.ts';
import type { RunAs } from './operating-system-user.ts';

/**
 * What a copy of a running server's folder leaves out: what belongs to the running server, and what the WAL brings.
 * https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP-DATA
 */
const EMPTIED = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const LEFT_OUT =
  /^(postmaster\.(pid|opts)|current_logfiles|backup_label|backup_manifest|tablespace_map|standby\.signal|postgresql\.auto\.conf\.tmp|pg_internal\.init.*|pgsql_tmp.*)$/;

/** Copies a data folder into an empty one while its server runs in backup mode. Files that vanish meanwhile are left to the WAL. */
export async function copyDataFolder(source: string, target: string, runAs: RunAs): Promise<void> {
  const entries = await readdir(source, { withFileTypes: true }).catch(ignoreVanished);
  const wanted = entries?.filter(({ name }) => !LEFT_OUT.test(name)) ?? [];
  const link = wanted.find((entry) => entry.isSymbolicLink() && !EMPTIED.has(entry.name));
  if (link) throw new ReplicaCannotBeMade(`${join(source, link.name)} is a symbolic link; tablespaces are not supported`);

  await Promise.all(
    wanted
      .filter((entry) => entry.isFile())
      .map(async ({ name }) => {
        const copy = join(target, name);
        const vanished = await copyFile(join(source, name), copy, constants.COPYFILE_FICLONE).then(() => false, ignoreVanished);
        if (runAs && vanished === false) await chown(copy, runAs.uid, runAs.gid);
      }),
  );
  for (const entry of wanted) {
    if (entry.isFile()) continue;
    const copy = join(target, entry.name);
    await mkdir(copy, { mode: 0o700 });
    if (runAs) await chown(copy, runAs.uid, runAs.gid);
    if (!EMPTIED.has(entry.name)) await copyDataFolder(join(source, entry.name), copy, runAs);
  }
}

function ignoreVanished(error: unknown): undefined {
  if (errorCode(error) === 'ENOENT') return undefined;
  throw error;
}
