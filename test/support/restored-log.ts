import { readFile } from 'node:fs/promises';
import { parseKey } from '../../src/kernel/auth/signing-key.ts';
import type { VerifyingKeys } from '../../src/kernel/command-log/seals/signature.ts';
import type { TestDatabase } from './database.ts';

const FORM = 'command_seal_batch_form';

interface Dump {
  readonly publicKey: string;
  readonly tables: Readonly<Record<string, { columns: Readonly<Record<string, string>>; rows: readonly (string | null)[][] }>>;
}

/** Puts a log into an empty database as an earlier version had sealed it, and answers the public half of its key. */
export async function restoreLog(database: TestDatabase, file: URL): Promise<VerifyingKeys> {
  const { publicKey, tables }: Dump = JSON.parse(await readFile(file, 'utf8'));
  await withEarlierForms(database, async () => {
    for (const [name, { columns, rows }] of Object.entries(tables)) {
      const table = name.replace('cqrs.', '');
      if (!table.startsWith('command_')) continue;
      const names = Object.keys(columns);
      const values = Object.values(columns).map((type, index) => `$${index + 1}::text::${type}`);
      const statement = `insert into cqrs.${table} (${names.join(', ')}) overriding system value values (${values.join(', ')})`;
      for (const row of rows) await database.query(statement, row);
    }
  });
  const key = await parseKey(publicKey);
  // What comes next has its place behind the restored records, as in the database that they are from.
  await database.query(
    `select setval(pg_get_serial_sequence('cqrs.command_log', 'position'), max(position)) from cqrs.command_log`,
  );
  await database.query(`do $$ begin
    while pg_snapshot_xmin(pg_current_snapshot()) <= (select max(sealed_below) from cqrs.command_seal_batch) loop
      perform pg_current_xact_id();
      commit;
    end loop;
  end $$`);
  return new Map([[key.publicJwk.kid, key]]);
}

/** Lets batches of earlier forms be put in: such rows were there when the constraint came, which does not look at those. */
export async function withEarlierForms(database: Pick<TestDatabase, 'query'>, fill: () => Promise<void>): Promise<void> {
  const [constraint] = await database.query(
    `select pg_get_constraintdef(oid) as definition from pg_constraint where conname = $1`,
    [FORM],
  );
  if (constraint) await database.query(`alter table cqrs.command_seal_batch drop constraint ${FORM}`);
  await fill();
  if (constraint) await database.query(`alter table cqrs.command_seal_batch add constraint ${FORM} ${constraint.definition}`);
}
