import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { ask, startForTest, until } from '../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { temporaryDataDir } from '../../support/temporary-data-dir.ts';

/** Stores events, by their types. */
const STORE = `insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
  select gen_random_uuid(), type, '', 'a.v1.A', gen_random_uuid(), 1, gen_random_uuid(), '', now()
  from unnest($1::text[]) with ordinality as given (type, place) order by place`;
/** The types of those that have a number, in the order of their numbers, which begin with 1. */
const FEED = 'select sequence::int, type from cqrs.feed left join cqrs.event using (position) order by sequence';

let stack: AsyncDisposableStack;
let database: TestDatabase;
let connect: () => Promise<pg.Client>;
let store: (...types: string[]) => Promise<unknown>;
let client: pg.Client;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  database = await createTestDatabase();
  stack.defer(database.drop);
  connect = async () => {
    const made = new pg.Client(database.connections.writer);
    made.on('error', () => {});
    await made.connect();
    stack.defer(() => made.end());
    return made;
  };
  store = (...types) => database.query(STORE, [types]);
  client = await connect();
});
afterEach(() => stack.disposeAsync());

const number = async (by: pg.Client = client, most = 1000): Promise<number | null | undefined> => {
  const { rows } = await by.query<{ given: number | null }>('select cqrs.number_events($1) as given', [most]);
  return rows[0]?.given;
};

async function feed(): Promise<string[]> {
  const rows = await database.query<{ sequence: number; type: string }>(FEED);
  expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, index) => index + 1));
  return rows.map(({ type }) => type);
}

describe('cqrs.number_events', () => {
  it('numbers what is committed, and later what is committed later, though it was written before', async () => {
    const late = await connect();
    await late.query('begin');
    await late.query(STORE, [['late', 'late too']]);
    await store('first', 'second');
    expect(await number()).toBe(2);
    await store('third');
    expect(await number()).toBe(1);
    await late.query('commit');
    expect(await number()).toBe(2);
    expect(await number()).toBe(0);
    expect(await feed()).toEqual(['first', 'second', 'third', 'late', 'late too']);
  });

  it('finds an event whose position was taken before its transaction had an id', async () => {
    const late = await connect();
    const { rows } = await database
      .query(`select nextval(pg_get_serial_sequence('cqrs.event', 'position')) as position`)
      .then((found) => ({ rows: found }));
    await store('first');
    expect(await number()).toBe(1);
    await late.query(
      STORE.replace('event (id', 'event (position, id').replace(
        'select gen',
        `overriding system value select ${rows[0]?.position}, gen`,
      ),
      [['late']],
    );
    expect(await number()).toBe(1);
    expect(await feed()).toEqual(['first', 'late']);
  });

  it('leaves no gap for what is rolled back, whole or to a savepoint', async () => {
    const other = await connect();
    await other.query('begin');
    await other.query(STORE, [['kept']]);
    await other.query('savepoint step');
    await other.query(STORE, [['given up']]);
    await other.query('rollback to savepoint step');
    await other.query('savepoint another');
    await other.query(STORE, [['kept too']]);
    await store('first');
    expect(await number()).toBe(1);
    await other.query('commit');
    await other.query('begin');
    await other.query(STORE, [['rolled back']]);
    expect(await number()).toBe(2);
    await other.query('rollback');
    await store('last');
    expect(await number()).toBe(1);
    expect(await feed()).toEqual(['first', 'kept', 'kept too', 'last']);
  });

  it('cuts a backlog into rounds, and takes late events with the one that is due', async () => {
    const late = await connect();
    await late.query('begin');
    await late.query(STORE, [['late']]);
    await store('1', '2', '3', '4', '5');
    expect(await number(client, 2)).toBe(2);
    await late.query('commit');
    expect(await number(client, 2)).toBe(3);
    expect(await number(client, 2)).toBe(1);
    expect(await number(client, 2)).toBe(0);
    expect(await feed()).toEqual(['1', '2', 'late', '3', '4', '5']);
  });

  it('is done by one session at a time, and returns at once in another', async () => {
    const other = await connect();
    await store('first');
    await other.query('begin');
    expect(await number(other)).toBe(1);
    expect(await number()).toBeNull();
    await other.query('rollback');
    expect(await feed()).toEqual([]);
    expect(await number()).toBe(1);
  });

  it('refuses a transaction that would not see the last round', async () => {
    await client.query('begin isolation level repeatable read');
    await expect(number()).rejects.toThrow('read committed');
    await client.query('rollback');
  });

  it('says the last number to whoever listens, when the transaction has ended', async () => {
    const listener = await connect();
    const heard: (string | undefined)[] = [];
    listener.on('notification', ({ payload }) => heard.push(payload));
    await listener.query('listen cqrs_feed');
    await store('first', 'second');
    await number();
    await number();
    await until('it is heard', () => heard.length > 0);
    await listener.query('select 1');
    expect(heard).toEqual(['2']);
  });

  it('looks at few events, however many there are and whatever the statistics say', async () => {
    await database.query(STORE, [Array.from({ length: 20_000 }, () => 'old')]);
    while ((await number()) !== 0);
    const seen = async (): Promise<number> => {
      await client.query('select pg_stat_force_next_flush()');
      const [row] = await database.query<{ seen: string }>(
        `select seq_tup_read + idx_tup_fetch as seen from pg_stat_user_tables where relid = 'cqrs.event'::regclass`,
      );
      return Number(row?.seen);
    };
    for (const statistics of ['none', 'fresh']) {
      if (statistics === 'fresh') await database.query('analyze cqrs.event, cqrs.feed');
      // Enough for a plan that is not made for these values.
      for (let round = 0; round < 10; round += 1) await number();
      const before = await seen();
      for (let round = 0; round < 20; round += 1) {
        const late = await connect();
        await late.query('begin');
        await late.query(STORE, [['late']]);
        await client.query(STORE, [['new']]);
        expect(await number()).toBe(1);
        await late.query('commit');
        expect(await number()).toBe(1);
        await late.end();
      }
      expect((await seen()) - before).toBeLessThan(1000);
    }
  });

  it('does not become slower while a transaction stays open', async () => {
    const open = await connect();
    await open.query('begin isolation level repeatable read');
    await open.query('select pg_current_xact_id()');
    const rounds = (count: number): Promise<unknown> =>
      database.query(`do $$ begin
        for round in 1..${count} loop
          ${STORE.replace('$1::text[]', `array['event']`)};
          commit;
          perform cqrs.number_events(10);
          commit;
        end loop;
      end $$`);
    const pages = async (): Promise<number> => {
      const [row] = await database.query<{ pages: string }>(
        `select heap_blks_hit + heap_blks_read as pages from pg_statio_user_tables where relid = 'cqrs.sequencer'::regclass`,
      );
      return Number(row?.pages);
    };
    await rounds(4000);
    await database.query('select pg_stat_force_next_flush()');
    const before = await pages();
    await rounds(100);
    await database.query('select pg_stat_force_next_flush()');
    expect((await pages()) - before).toBeLessThan(100 * 20);
    expect(await feed()).toHaveLength(4100);
  }, 600_000);

  it('goes on in another cluster, where transactions are counted anew', async () => {
    const late = await connect();
    await store('before');
    expect(await number()).toBe(1);
    await late.query('begin');
    await late.query(STORE, [['late']]);
    await store('numbered');
    expect(await number()).toBe(1);
    await late.query('commit');
    await store('not numbered', 'nor this');
    // What a dump brings: ids that this cluster has not come to, and a snapshot of theirs.
    await database.query(
      `update cqrs.event set transaction_id = ((transaction_id::text::bigint + 20)::text)::xid8 where type <> 'before'`,
    );
    await database.query(`update cqrs.event set transaction_id = '9000000000' where type = 'before'`);
    await database.query(`update cqrs.sequencer set system_identifier = 1, seen = '9000000000:9000000002:9000000000'`);

    const stranger = await connect();
    await stranger.query('begin');
    await stranger.query(STORE, [['in flight']]);
    expect(await number()).toBe(1);
    expect(await number()).toBe(2);
    await store('new');
    expect(await number()).toBe(1);
    // The ids of this cluster pass those that came with the dump.
    await database.query('do $$ begin for id in 1..50 loop perform pg_current_xact_id(); commit; end loop; end $$');
    await store('newer');
    expect(await number()).toBe(1);
    await stranger.query('commit');
    expect(await number()).toBe(1);
    expect(await number()).toBe(0);
    expect(await feed()).toEqual(['before', 'numbered', 'late', 'not numbered', 'nor this', 'new', 'newer', 'in flight']);
  });
});

it('events keep their numbers on a replica that is promoted, and new ones go on behind them', async () => {
  await using dataDir = temporaryDataDir();
  await using cluster = await startForTest({ dataDir: dataDir.path });
  const own = await createTestDatabase(cluster.connections);
  const [replica] = cluster.connections.replicas;
  if (!replica) throw new Error('there is no replica');
  const name = own.connections.writer.database ?? '';
  const { host, port } = replica;
  const promoted = { ...cluster.connections.superuser, host, port, database: name };
  const late = new pg.Client(own.connections.writer);
  late.on('error', () => {});
  await late.connect();

  await late.query('begin');
  await late.query(STORE, [['lost']]);
  await own.query(STORE, [['first', 'second']]);
  await own.query('select cqrs.number_events(1)');
  await own.query(STORE, [['third']]);
  const [written] = await own.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn');
  await until('the replica has all of it', async () => {
    const [row] = await ask<{ has: boolean }>(promoted, `select pg_last_wal_replay_lsn() >= '${written?.lsn}' as has`);
    return row?.has === true;
  });
  await ask(promoted, 'select pg_promote()');

  await ask(promoted, 'select cqrs.number_events(100)');
  await ask(promoted, STORE.replace('$1::text[]', `array['fourth']`));
  await ask(promoted, 'select cqrs.number_events(100)');
  expect(await ask(promoted, FEED)).toEqual(
    ['first', 'second', 'third', 'fourth'].map((type, index) => ({ sequence: index + 1, type })),
  );
  await late.end();
}, 600_000);
