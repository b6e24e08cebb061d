import { expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { loadOrCreateSigningKey } from '../../../src/kernel/auth/key-files.ts';
import { createKeyRing } from '../../../src/kernel/auth/key-ring.ts';
import { createConsistencyTokens } from '../../../src/kernel/consistency/token.ts';
import { eventually } from '../../support/eventually.ts';
import { signUp, somebody } from '../../support/people.ts';
import { startTestApp } from '../../support/test-app.ts';
import { freshnessOf } from './tokens-in-hand.ts';

it('a query with the tokens of two calls waits for the event of each, also for one that has its number later than a newer one', async () => {
  await using stack = new AsyncDisposableStack();
  const app = await startTestApp({ queryCacheBytes: 0 });
  stack.defer(app.stop);
  const calls = freshnessOf(app);
  const { query } = app.database;
  const { id } = await signUp(app);

  // A sign-up that takes its position now and commits later, as one on another connection can.
  const slow = new pg.Client(app.database.connections.writer);
  await slow.connect();
  stack.defer(() => slow.end());
  await slow.query('begin');
  const { rows } = await slow.query<{ position: string }>(`insert into cqrs.event
      (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
    select gen_random_uuid(), type, payload, personal, aggregate_type, gen_random_uuid(), 1, gen_random_uuid(), '', now()
      from cqrs.event where type = 'users.v1.UserCreated' limit 1
    returning position`);
  const position = BigInt(rows[0]?.position ?? 0);

  let fast = '';
  const onHeader = (header: Headers): void => {
    fast = header.get('cqrs-consistency-token') ?? '';
  };
  await app.client(CommandService).createUser(somebody(), { onHeader });
  const { activeUsers } = await calls.count(fast);
  await query(`update cqrs.processor set paused = true where kind = 'projection'`);
  // Nobody gives numbers while this session has the lock.
  await slow.query(`select pg_advisory_lock(hashtext('cqrs.sequencer'))`);
  await slow.query('commit');
  const [here] = await query<{ lsn: string; system: string }>(
    `select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') as lsn, system_identifier as system from pg_control_system()`,
  );
  const tokens = createConsistencyTokens(createKeyRing(await loadOrCreateSigningKey(app.keyFile)));
  const systemIdentifier = BigInt(here?.system ?? 0);
  const opened = (token: string) => tokens.open(token, systemIdentifier);
  const { timeline, position: newer } = opened(fast);
  const late = tokens.seal({ systemIdentifier, timeline, lsn: BigInt(here?.lsn ?? 0), position });
  expect(newer).toBeGreaterThan(position);

  // A query that reads no projection tells the next one of both, until both have a number, and then of the later number.
  const both = (await calls.read(id, `${late}, ${fast}`)).token;
  expect(opened(both).positions).toEqual([newer, position]);
  const counted = calls.count(both);
  await slow.query('select pg_advisory_unlock_all()');
  await eventually(async () =>
    expect(await query('select from cqrs.feed where position = $1', [String(position)])).toHaveLength(1),
  );
  const one = (await calls.read(id, both)).token;
  expect(opened(one)).toMatchObject({ position });
  expect(opened(one).positions).toBeUndefined();
  await query('update cqrs.processor set paused = false');
  expect((await counted).activeUsers).toBe(activeUsers + 1n);
  expect((await calls.count(one)).activeUsers).toBe(activeUsers + 1n);
});
