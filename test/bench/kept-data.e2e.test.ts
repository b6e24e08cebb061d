import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import pg from 'pg';
import { type BenchDatabase, DataUnfit, startDatabase } from '../../bench/data/database.ts';
import { userId } from '../../bench/data/user-numbers.ts';
import { startSubject } from '../../bench/subjects/start-subject.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

const USERS = 10_000;

it('the data of a run is used by the next one as it was left', async () => {
  await using dataDir = temporaryDataDir();
  const options = { dataDir: dataDir.path, users: USERS, onProgress: () => {} };

  const filled = await startDatabase(options);
  try {
    // A service that starts has nothing to number and nothing to project.
    const [left] = await ask(
      filled.url,
      `select cqrs.number_events(10) as numbered, last_sequence - checkpoint as behind, users::integer
       from cqrs.sequencer, cqrs.processor, read.user_count where name = 'user_statistics' and status = 'active'`,
    );
    expect(left).toEqual({ numbered: 0, behind: '0', users: USERS + 10 });
    // What a replica does not know to be visible to all, it would look for in the table.
    const plan = await ask(filled.replicaUrl, EXPLAINED_COUNT);
    expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toContain('Heap Fetches: 0\n');
    await serve(filled);
    await ask(filled.url, `update read.user_directory set name = 'Kept' where id = '${userId(1)}'`);
  } finally {
    await filled.stop();
  }

  const found = await startDatabase(options);
  try {
    expect(await namesOn(found)).toEqual([{ name: 'Kept' }]);
    await serve(found);
  } finally {
    await found.stop();
  }

  await expect(startDatabase({ ...options, users: 10 * USERS })).rejects.toThrow(DataUnfit);
});

it('data whose making was ended is refused', async () => {
  await using dataDir = temporaryDataDir();
  const options = { dataDir: dataDir.path, users: USERS, onProgress: () => {} };
  const ended = startDatabase({
    ...options,
    onProgress: (step) => {
      if (step === 'vacuuming') throw new Error('ended');
    },
  });
  await expect(ended).rejects.toThrow('ended');
  await expect(startDatabase(options)).rejects.toThrow(DataUnfit);
});

const EXPLAINED_COUNT = `explain (analyze, costs off, timing off, summary off, buffers off)
  select count(*) from (select id from read.user_directory order by id) as ids`;

/** Starts the service that is measured, and ends it. */
async function serve(database: BenchDatabase): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bicameral-bench-'));
  try {
    const subject = await startSubject('ours', { ...database, databaseUrl: database.url, folder });
    await subject.stop();
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function namesOn({ replicaUrl }: BenchDatabase): Promise<unknown[]> {
  return await ask(replicaUrl, `select name from read.user_directory where id = '${userId(1)}'`);
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
