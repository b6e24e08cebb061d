import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import type { SigningKey } from '../../src/kernel/auth/signing-key.ts';
import { type BatchRow, batchHash, NEWEST_BATCH, toBatch } from '../../src/kernel/command-log/seals/batch.ts';
import { sealRound } from '../../src/kernel/command-log/seals/seal-round.ts';
import { signed, type VerifyingKeys } from '../../src/kernel/command-log/seals/signature.ts';
import type { TestDatabase } from './database.ts';
import { PATIENCE } from './patience.ts';

/** Puts records of successful commands into the log, one transaction for all, and answers their ids in order. */
export async function insertRecords(
  database: Pick<TestDatabase, 'query'>,
  count: number,
  { receivedAt = new Date() }: { receivedAt?: Date } = {},
): Promise<string[]> {
  const rows = await database.query<{ command_id: string }>(
    `insert into cqrs.command_log (command_id, received_at, method, principal, roles, session, request, personal, personal_digest, outcome, code,
       reason, dry_run, aggregate_type, aggregate_id, version_before, version_after, event_ids, attempts, duration_us, trace_id, peer,
       user_agent)
     select gen_random_uuid(), $2::timestamptz + n * interval '1 millisecond', 'users.v1.CommandService/ChangeName', 'somebody "' || n || '"',
       '{admin,auditor}', 'session ' || n, format('{"userId":"%s"}', n)::json, personal::json, sha256(convert_to(personal, 'UTF8')), 'succeeded', 'OK', '', false,
       'users.v1.User', gen_random_uuid(), n, n + 1, array[gen_random_uuid(), gen_random_uuid()], 1, 1234, repeat('ab', 16),
       '127.0.0.1:1234', 'test'
     from generate_series(1, $1::int) as n cross join lateral (select format('{"name": "Ada %s","salt":"%s"}', n, md5(n::text)) as personal) as p
     returning command_id`,
    [count, receivedAt],
  );
  return rows.map(({ command_id }) => command_id);
}

/** A signing key of a test's own. */
export async function testKey(): Promise<SigningKey> {
  const folder = await mkdtemp(join(tmpdir(), 'bicameral-keys-'));
  try {
    return await loadOrCreateSigningKey(join(folder, 'signing-key.pem'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What verifies that knows this key alone. */
export const ringOf = (key: SigningKey): VerifyingKeys => new Map([[key.publicJwk.kid, key]]);

/**
 * Seals until `count` more records are. Transactions that other tests have under way on the same server hold up a round: what is
 * newer than the oldest of them has to wait.
 */
export async function sealRecords(parts: { pool: pg.Pool; key: SigningKey }, count: number): Promise<void> {
  let sealed = 0;
  for (const end = Date.now() + PATIENCE; sealed < count; await sleep(5)) {
    sealed += await sealRound({ ...parts, now: Date.now });
    if (Date.now() > end) throw new Error(`${sealed} of ${count} records were sealed`);
  }
}

/** Has the newest batch of seals say that it was made in another cluster, signed: as if the database had come from there with a dump. */
export async function sealElsewhere({ pool, key }: { pool: pg.Pool; key: SigningKey }, database: TestDatabase): Promise<void> {
  const [row] = (await pool.query<BatchRow>(NEWEST_BATCH)).rows;
  if (!row) throw new Error('there is no batch');
  const elsewhere = { ...toBatch(row), cluster: '1' };
  const hash = batchHash(elsewhere);
  await database.query('update cqrs.command_seal_batch set system_identifier = 1, hash = $1, signature = $2 where number = $3', [
    hash,
    signed(hash, key).signature,
    elsewhere.number,
  ]);
}
