import { chown, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { administer } from './administer.ts';
import type { ClusterHome } from './cluster-home.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { copyDataFolder } from './copy-data-folder.ts';
import { UNFINISHED } from './data-folder.ts';
import { ReplicaCannotBeMade } from './errors.ts';
import type { Executables } from './executables.ts';
import { run } from './operating-system-user.ts';
import { REPLICATION_SLOT } from './server-settings.ts';

/**
 * Makes a replica's folder from the running primary's, in place of the one that is there; the primary goes on working.
 *
 * This is PostgreSQL's low-level backup: between pg_backup_start and pg_backup_stop the files may change under the copy,
 * and the WAL from the start on, which the replication slot keeps, makes the copy whole.
 */
export async function makeReplicaFolder(options: {
  readonly folder: string;
  readonly primaryFolder: string;
  readonly primary: ConnectionSettings;
  readonly home: ClusterHome;
  readonly executables: Executables;
  /** Whether the copy is forced to the disk. */
  readonly durable: boolean;
}): Promise<void> {
  const { folder, primaryFolder, primary, home, executables, durable } = options;
  const { runAs } = home;
  const unfinished = await mkdtemp(`${folder}${UNFINISHED}`);
  try {
    if (runAs) await chown(unfinished, runAs.uid, runAs.gid);
    const label = await administer(primary, async (client) => {
      await client.query('select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where slot_name = $1', [
        REPLICATION_SLOT,
      ]);
      // The slot's limit counts from here: what the copy needs no longer is let go.
      await client.query(`select pg_replication_slot_advance($1, pg_backup_start('replica', fast => true))`, [REPLICATION_SLOT]);
      await copyDataFolder(primaryFolder, unfinished, runAs);
      const { rows } = await client.query<{ labelfile: string }>(
        'select labelfile from pg_backup_stop(wait_for_archive => false)',
      );
      return rows[0]?.labelfile;
    });
    if (!label) throw new ReplicaCannotBeMade('pg_backup_stop gave no label');
    for (const [name, contents] of [
      ['backup_label', label],
      ['standby.signal', ''],
    ] as const) {
      await writeFile(join(unfinished, name), contents, { mode: 0o600 });
      if (runAs) await chown(join(unfinished, name), runAs.uid, runAs.gid);
    }
    if (durable) {
      const { code, output } = await run(executables.initdb, ['--sync-only', '-D', unfinished], runAs);
      if (code !== 0) throw new ReplicaCannotBeMade(output);
    }
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}
