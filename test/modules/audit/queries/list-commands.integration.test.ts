import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Outcome } from '#gen/audit/v1/command_record_pb.js';
import type { ListCommandsRequestSchema } from '#gen/audit/v1/query_service_pb.js';
import { pageStatement } from '../../../../src/modules/audit/read-model/command-pages.ts';
import { addRecord, idAt, sealRecords } from '../../../support/command-records.ts';
import { refusalOf } from '../../../support/errors.ts';
import { type AuditQueries, startAuditQueries } from '../audit-queries.ts';

type Filter = MessageInitShape<typeof ListCommandsRequestSchema>;

const strong = { headers: { 'cqrs-consistency': 'strong' } };
/** In partitions of two months, and before the first one. */
const BEGIN = Date.parse('2026-12-31T23:59:58.000Z');
const TARGET = '019ab3a0-0000-7000-8000-00000000000a';
/** The first command of a chain: n = 51. */
const FIRST = idAt(BEGIN + 1700);
const OUTCOMES = [
  'succeeded',
  'rejected',
  'denied',
  'unauthenticated',
  'invalid',
  'timed_out',
  'failed',
  'throttled',
  'replayed',
];

let audit: AuditQueries;
const all: { id: string; ms: number; n: number }[] = [];
beforeAll(async () => {
  audit = await startAuditQueries();
  for (let n = 0; n < 120; n += 1) {
    // Three at a time share their millisecond, so that ids have to break ties.
    const ms = n < 6 ? Date.parse('2020-02-02T02:02:02.002Z') + n : BEGIN + Math.floor(n / 3) * 100;
    const id = await addRecord(audit.database, {
      commandId: n === 51 ? FIRST : idAt(ms),
      receivedAt: ms,
      principal: n % 4 === 0 ? '' : `actor-${n % 4}`,
      method: `users.v1.CommandService/${n % 2 ? 'ChangeName' : 'LogIn'}`,
      aggregateId: n % 5 === 0 ? TARGET : null,
      aggregateType: n % 5 === 0 ? 'users.v1.User' : null,
      outcome: OUTCOMES[n % OUTCOMES.length] ?? '',
      ...(n > 51 && n % 10 === 1 && { causationId: idAt(ms), correlationId: FIRST }),
    });
    all.push({ id, ms, n });
  }
  all.sort((one, other) => other.ms - one.ms || (one.id < other.id ? 1 : -1));
});
afterAll(() => audit.stop());

async function allPages(filter: Filter, pageSize = 7): Promise<string[]> {
  const ids: string[] = [];
  for (let pageToken = ''; ; ) {
    const page = await audit.client.listCommands({ ...filter, pageSize, pageToken }, strong);
    ids.push(...page.commands.map(({ commandId }) => commandId));
    pageToken = page.nextPageToken;
    if (!pageToken) return ids;
  }
}

const at = (ms: number) => timestampFromDate(new Date(ms));

describe('listCommands', () => {
  it.each<[string, Filter, (record: { n: number; ms: number }) => boolean]>([
    ['no filter', {}, () => true],
    ['an actor', { actor: 'actor-1' }, ({ n }) => n % 4 === 1],
    ['a method', { method: 'users.v1.CommandService/LogIn' }, ({ n }) => n % 2 === 0],
    ['a target', { target: TARGET }, ({ n }) => n % 5 === 0],
    ['a target in capitals', { target: TARGET.toUpperCase() }, ({ n }) => n % 5 === 0],
    ['an outcome', { outcome: Outcome.TIMED_OUT }, ({ n }) => n % 9 === 5],
    ['a time to begin with', { receivedFrom: at(BEGIN + 2000) }, ({ ms }) => ms >= BEGIN + 2000],
    ['a time to end before', { receivedTo: at(BEGIN + 2000) }, ({ ms }) => ms < BEGIN + 2000],
    ['a chain', { correlationId: FIRST }, ({ n }) => n >= 51 && n % 10 === 1],
    ['a chain of one command', { correlationId: FIRST, outcome: Outcome.FAILED }, ({ n }) => n === 51],
    [
      'all of them',
      {
        actor: 'actor-1',
        method: 'users.v1.CommandService/ChangeName',
        target: TARGET,
        outcome: Outcome.SUCCEEDED,
        receivedFrom: at(BEGIN),
        receivedTo: at(BEGIN + 3600_000),
      },
      ({ n }) => n % 4 === 1 && n % 5 === 0 && n % 9 === 0,
    ],
  ])('with %s, gives the newest first, each once, page by page', async (_, filter, holds) => {
    const expected = all.filter(holds).map(({ id }) => id);
    expect(expected.length).toBeGreaterThan(0);
    expect(await allPages(filter)).toEqual(expected);
    expect(await allPages(filter, 1000)).toEqual(expected);
  });

  it('includes a time range to the nanosecond', async () => {
    const ms = BEGIN + 2000;
    const nextNano = { seconds: BigInt(ms / 1000), nanos: 1 };
    expect(await allPages({ receivedFrom: at(ms), receivedTo: nextNano })).toHaveLength(3);
    expect(await allPages({ receivedFrom: nextNano })).toEqual(all.filter((record) => record.ms > ms).map(({ id }) => id));
  });

  it('takes a time beyond the calendar for its end', async () => {
    const [never, always] = [{ seconds: -(2n ** 63n) }, { seconds: 2n ** 63n - 1n }];
    expect(await allPages({ receivedFrom: never, receivedTo: always }, 1000)).toHaveLength(all.length);
    expect(await allPages({ receivedFrom: always })).toHaveLength(0);
  });

  it('misses and repeats nothing while commands are recorded', async () => {
    const before = all.map(({ id }) => id);
    const seen: string[] = [];
    for (let pageToken = ''; ; ) {
      const page = await audit.client.listCommands({ actor: 'actor-2', pageSize: 4, pageToken }, strong);
      seen.push(...page.commands.map(({ commandId }) => commandId));
      await addRecord(audit.database, { principal: 'actor-2', receivedAt: BEGIN + 86_400_000 });
      pageToken = page.nextPageToken;
      if (!pageToken) break;
    }
    const expected = all.filter(({ n }) => n % 4 === 2).map(({ id }) => id);
    expect(seen.filter((id) => before.includes(id))).toEqual(expected);
    await audit.database.query('delete from cqrs.command_log where received_at = $1', [new Date(BEGIN + 86_400_000)]);
  });

  it('gives 50 rows when no size is asked for, 1000 at most, and refuses a negative one', async () => {
    expect((await audit.client.listCommands({}, strong)).commands).toHaveLength(50);
    expect((await audit.client.listCommands({ pageSize: 5000 }, strong)).commands).toHaveLength(120);
    expect(await refusalOf(audit.client.listCommands({ pageSize: -1 }))).toMatchObject({ fields: ['page_size'] });
    expect(await refusalOf(audit.client.listCommands({ target: 'me' }))).toMatchObject({ fields: ['target'] });
  });

  it('binds a token to its filter, and lets the page size change', async () => {
    const filter = { method: 'users.v1.CommandService/LogIn' };
    const { nextPageToken: pageToken } = await audit.client.listCommands({ ...filter, pageSize: 5 }, strong);
    expect((await audit.client.listCommands({ ...filter, pageSize: 9, pageToken }, strong)).commands).toHaveLength(9);
    for (const other of [
      {},
      { method: 'users.v1.CommandService/ChangeName' },
      { ...filter, actor: 'actor-1' },
      { ...filter, target: TARGET },
      { ...filter, outcome: Outcome.FAILED },
      { ...filter, receivedFrom: at(0) },
      { ...filter, receivedTo: at(BEGIN) },
      { ...filter, correlationId: FIRST },
      // The same words in another place.
      { actor: filter.method },
    ]) {
      expect(await refusalOf(audit.client.listCommands({ ...other, pageToken }, strong))).toMatchObject({
        code: 'InvalidArgument',
        reason: 'PAGE_TOKEN_INVALID',
      });
    }
  });

  it('gives a sealed record its place in the log, and none to one that is not sealed yet', async () => {
    const newest = await addRecord(audit.database, { receivedAt: BEGIN + 90_000_000 });
    const place = async () => (await audit.client.listCommands({ pageSize: 1 }, strong)).commands[0];
    expect(await place()).toMatchObject({ commandId: newest });
    expect((await place())?.sequence).toBeUndefined();
    await sealRecords(audit.database);
    expect(await place()).toMatchObject({ commandId: newest, sequence: BigInt(all.length + 1) });
    await audit.database.query('delete from cqrs.command_log where command_id = $1', [newest]);
  });

  it('needs audit.read', async () => {
    const asOperator = { headers: { 'test-role': 'operator' } };
    expect(await refusalOf(audit.client.listCommands({}, asOperator))).toMatchObject({ code: 'PermissionDenied' });
  });

  it('finds pages by time, actor, target and chain in an index, however deep they are', async () => {
    await audit.database.query(
      `insert into cqrs.command_log (command_id, received_at, method, principal, roles, session, outcome, code, reason, dry_run,
         aggregate_id, correlation_id, event_ids, attempts, duration_us, trace_id, peer, user_agent)
       select gen_random_uuid(), timestamptz '2027-01-02' + n * interval '1 minute', 'm', 'p' || n % 500, '{}', '', 'succeeded', 'OK', '', false,
         ('00000000-0000-7000-8000-' || lpad(to_hex(n % 500), 12, '0'))::uuid,
         case when n % 3 = 0 then ('00000000-0000-7000-8000-' || lpad(to_hex(n % 5000), 12, '0'))::uuid end, '{}', 1, 1, '', '', ''
       from generate_series(1, 20000) as n`,
    );
    await audit.database.query('analyze cqrs.command_log');
    const none = {
      actor: undefined,
      method: undefined,
      target: undefined,
      outcome: undefined,
      from: undefined,
      to: undefined,
      correlation: undefined,
    };
    const deep = idAt(Date.parse('2027-01-05T00:00:00Z'));
    for (const [list, index] of [
      [{ ...none, correlation: '00000000-0000-7000-8000-000000000007' }, /command_log_2027_01_correlation_id_received_at_idx/],
      [none, /Index Scan Backward using command_log_2027_01_pkey/],
      [{ ...none, actor: 'p7' }, /command_log_2027_01_principal_received_at_idx/],
      [{ ...none, target: '00000000-0000-7000-8000-000000000007' }, /command_log_2027_01_aggregate_id_received_at_idx/],
    ] as const) {
      const { sql, parameters } = pageStatement(list, deep, 51);
      const plan = (await audit.database.query(`explain ${sql}`, [...parameters])).map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toMatch(index);
      expect(plan).not.toMatch(/Seq Scan on command_log_2027_01|Seq Scan on command_seal|command_log_2027_02 record/);
    }
  });
});
