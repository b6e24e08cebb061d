import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CompiledQuery } from 'kysely';
import { withSettings } from '../../../../src/kernel/database/connection.ts';
import { DatabaseClient } from '../../../../src/kernel/database/database-client.ts';
import { READS } from '../../../../src/kernel/database/pool.ts';
import { USER_COLUMNS, type UserRow } from '../../../../src/modules/users/read-model/user-directory.ts';
import type { Order, Place, UserList } from '../../../../src/modules/users/read-model/user-list.ts';
import {
  collectedCount,
  countUsers,
  lastPassed,
  pageStatements,
  passingCount,
  readPage,
  valuesOf,
} from '../../../../src/modules/users/read-model/user-pages.ts';
import { UserSamples } from '../../../../src/modules/users/read-model/user-sample.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';

const USERS = 20_000;
/** So few that a search does not come through all users in one call. */
const MOST = 1_000;

let database: TestDatabase;
let client: DatabaseClient;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(
    `insert into read.user_directory (id, email, name, status, roles, created_at, updated_at, version)
     select gen_random_uuid(), word || n || '@example.org', initcap(word), case when n % 50 = 0 then 'suspended' else 'active' end, '{}',
       timestamptz '2026-01-01' + n * interval '1 second', now(), 1
     from generate_series(1, $1::integer) as n, lateral (select (array['anna', 'bert', 'zenobia'])[1 + n % 3] as word)`,
    [USERS],
  );
  client = new DatabaseClient(withSettings(database.connections.reader, READS));
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

const read = {
  rows: async <Row>(statement: CompiledQuery<Row>, parameters: readonly unknown[] = statement.parameters): Promise<Row[]> =>
    (await client.query<Row & object>(statement.sql, [...parameters])).rows,
};
const samples = new UserSamples();
const listOf = (list: Partial<UserList> = {}): UserList => ({
  status: undefined,
  search: '',
  orderBy: 'created_at',
  descending: false,
  ...list,
});
const statements = pageStatements<UserRow>(USER_COLUMNS);
const page = (list: Partial<UserList>, start: { after: Place } | { skip: number } = { skip: 0 }, mostPassed = MOST) =>
  readPage({ read, samples, list: listOf(list), mostPassed }, { statements, start, size: 10 });

describe('a search', () => {
  it.each([
    ['of some who are found at once', { search: 'bert' }],
    ['of some who are last in the order', { search: 'zenobia', orderBy: 'name' }],
    ['of some who are last in the order downwards', { search: 'anna', orderBy: 'email', descending: true }],
    ['of a few, by their trigrams', { search: 'bert1234' }],
    ['of two letters', { search: '77', orderBy: 'email' }],
    ['with a status of few', { search: 'anna', status: 'suspended', orderBy: 'name', descending: true }],
    ['with a status of most', { search: '99', status: 'active' }],
    ['of nobody, in three letters', { search: 'xyz' }],
    ['of nobody, in one letter', { search: 'q' }],
  ] as const)('%s gives everybody who matches once and in order, call by call', async (_, list) => {
    const found: string[] = [];
    let calls = 0;
    for (let start: { after: Place } | { skip: number } = { skip: 0 }; ; calls += 1) {
      const { rows, next } = await page(list, start);
      expect(rows.length).toBeLessThanOrEqual(10);
      found.push(...rows.map(({ id }) => id));
      if (!next) break;
      start = { after: next };
    }
    const { orderBy, descending, status, search } = listOf(list);
    const key = { created_at: 'created_at', email: 'lower(email collate "C")', name: 'name_key' }[orderBy];
    const direction = descending ? 'desc' : 'asc';
    const expected = await database.query<{ id: string }>(
      `select id from read.user_directory where search_text like $1 and status ${status ? `= '${status}'` : `<> 'deleted'`}
       order by ${key} ${direction}, id ${direction}`,
      [`%${search}%`],
    );
    expect(found).toEqual(expected.map(({ id }) => id));
    expect(calls).toBeLessThan(expected.length / 10 + USERS / MOST + 1);
  });

  it('ends after so many users, and says where it goes on', async () => {
    const { rows, next } = await page({ search: 'zenobia', orderBy: 'name' });
    expect(rows).toEqual([]);
    const [last] = await database.query<{ id: string }>(
      'select id from read.user_directory order by name_key, id limit 1 offset $1',
      [MOST - 1],
    );
    expect(next).toEqual(['anna', last?.id]);
  });

  it('finds a few in one call, wherever they are', async () => {
    for (const orderBy of ['created_at', 'email', 'name'] as const) {
      const { rows, next } = await page({ search: 'zenobia19997', orderBy });
      expect(rows.map(({ email }) => email)).toEqual(['zenobia19997@example.org']);
      expect(next).toBeUndefined();
    }
  });
});

describe('a page by its number', () => {
  it('is exact while it is near', async () => {
    const [exact] = await database.query<{ id: string }>(
      `select id from read.user_directory order by name_key desc, id desc limit 1 offset ${MOST}`,
    );
    const near = await page({ orderBy: 'name', descending: true }, { skip: MOST });
    expect(near).toMatchObject({ isEstimate: false });
    expect(near.rows[0]?.id).toBe(exact?.id);
  });

  it.each([
    [{ orderBy: 'created_at' }, USERS],
    [{ orderBy: 'created_at', descending: true }, USERS],
    [{ orderBy: 'created_at', search: 'bert' }, USERS / 3],
  ] as const)('of %j begins nearly there when it is far, and says so', async (list, users) => {
    for (const share of [0.3, 0.9]) {
      const skip = Math.round(share * users);
      const { rows, next, isEstimate } = await page(list, { skip });
      expect(isEstimate).toBe(true);
      expect(rows.length).toBe(10);
      expect(next).toBeDefined();
      const { orderBy, descending, search } = listOf(list);
      const [before] = await database.query<{ count: string }>(
        `select count(*) from read.user_directory where search_text like $1
         and ${orderBy} ${descending ? '>' : '<'} (select ${orderBy} from read.user_directory where id = $2)`,
        [`%${search}%`, rows[0]?.id],
      );
      // Of a sample of some 3,000 of them, by which they are counted too: five times the standard error.
      expect(Math.abs(Number(before?.count) - skip) / users).toBeLessThan(0.1);
    }
  });

  it('is empty behind the last one', async () => {
    expect(await page({}, { skip: 3 * USERS })).toMatchObject({ rows: [], next: undefined });
    expect(await page({ search: 'bert1234' }, { skip: 3 * USERS })).toMatchObject({ rows: [], next: undefined });
  });
});

describe('a count', () => {
  const count = (list: Partial<UserList>, mostPassed = MOST) => countUsers({ read, samples, list: listOf(list), mostPassed });

  it('is exact where it can be told by few users', async () => {
    expect(await count({ status: 'suspended' })).toEqual({ users: USERS / 50, isEstimate: false });
    expect(await count({ search: 'zenobia19997' })).toEqual({ users: 1, isEstimate: false });
    expect(await count({ search: 'xyz' })).toEqual({ users: 0, isEstimate: false });
    expect(await count({ search: 'bert' }, 2 * USERS)).toEqual({ users: Math.ceil(USERS / 3), isEstimate: false });
  });

  it('is an estimate, and says so, where there are many', async () => {
    for (const [list, users] of [
      [{}, USERS],
      [{ search: 'bert' }, USERS / 3],
      [{ status: 'active', search: 'n' }, (USERS * 2 * 49) / 150],
    ] as const) {
      const { users: estimate, isEstimate } = await count(list);
      expect(isEstimate).toBe(true);
      expect(Math.abs(estimate - users) / users).toBeLessThan(0.2);
    }
  });
});

describe('the plan', () => {
  const KEY: Readonly<Record<Order, string>> = { created_at: '2026-01-01 00:00:30+00', email: 'bert1', name: 'bert' };
  const ID = '00000000-0000-0000-0000-000000000000';
  const shapes = (['created_at', 'email', 'name'] as const).flatMap((orderBy) =>
    [false, true].flatMap((descending) =>
      ([undefined, 'active', 'suspended'] as const).flatMap((status) =>
        (['at the beginning', 'after so many', 'behind a user'] as const).map((start) => ({
          orderBy,
          descending,
          status,
          start,
        })),
      ),
    ),
  );
  const SEARCHES = ['a', 'bert', 'nobody has it at all'];
  const valuesFor = ({ orderBy, start }: (typeof shapes)[number], search: string) =>
    valuesOf(listOf({ search }), {
      way: { kind: 'collected', part: search },
      start: start === 'behind a user' ? { after: [KEY[orderBy], ID] } : { skip: 20 },
      wanted: 11,
      mostPassed: MOST,
    });

  /** As it is made for these values, and as it is made once for any. */
  async function plansOf({ sql, parameters }: CompiledQuery): Promise<string[]> {
    const special = await client.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${sql}`, [...parameters]);
    const general = await client.query<{ 'QUERY PLAN': string }>(`explain (costs off, generic_plan) ${sql}`);
    return [special, general].map(({ rows }) => rows.map((row) => row['QUERY PLAN']).join('\n'));
  }

  async function expectPlans(statement: CompiledQuery, index: RegExp, never: RegExp): Promise<void> {
    for (const plan of await plansOf(statement)) {
      expect(plan).toMatch(index);
      expect(plan).not.toMatch(never);
    }
  }

  describe.each([
    ['before the first ANALYZE', async () => {}],
    ['after it', async () => void (await database.query('vacuum analyze read.user_directory'))],
  ])('%s', (_, prepare) => {
    beforeAll(prepare);

    it.each(shapes)('of a list by $orderBy (descending: $descending, $status, $start) walks its index', async (shape) => {
      const order = { created_at: 'created', email: 'email', name: 'name' }[shape.orderBy];
      const index = `${shape.status === 'suspended' ? '(rare_)?' : ''}${order}`;
      // Those few may be sorted, as long as they are few.
      const alone = `Index Only Scan (Backward )?using user_directory_${index}${shape.status === 'suspended' ? `|Bitmap Index Scan on user_directory_rare_` : ''}`;
      const never = shape.status === 'suspended' ? /Seq Scan|Hash|Merge/ : /Sort|Seq Scan|Bitmap|Hash|Merge/;
      await expectPlans(statements.plain(shape, valuesFor(shape, '')), new RegExp(alone.replace('Only ', '(Only )?')), never);
      for (const search of SEARCHES) {
        await expectPlans(statements.passing(shape, valuesFor(shape, search)), new RegExp(alone), never);
        await expectPlans(lastPassed(shape, valuesFor(shape, search)), new RegExp(alone), never);
      }
    });

    const BY_TRIGRAMS = /Bitmap Index Scan on user_directory_search/;

    it.each(shapes)('of a few who match ($orderBy, descending: $descending, $status, $start) is by trigrams', async (shape) => {
      for (const search of SEARCHES.slice(1))
        await expectPlans(
          statements.collected(shape, valuesFor(shape, search)),
          BY_TRIGRAMS,
          /Seq Scan|user_directory_(rare|name|email|created)/,
        );
    });

    it.each([undefined, 'active', 'suspended'] as const)('of counts (%s) is by the same indexes', async (status) => {
      const values = valuesOf(listOf({ search: 'bert1234' }), { way: { kind: 'collected', part: '1234' }, mostPassed: MOST });
      for (const isSearched of [false, true]) {
        const alone = /Index Only Scan using user_directory_(rare_)?created|Bitmap Index Scan on user_directory_rare_created/;
        await expectPlans(passingCount({ status, isSearched }, values), alone, /Seq Scan/);
      }
      await expectPlans(collectedCount({ status, isSearched: true }, values), BY_TRIGRAMS, /Seq Scan/);
    });
  });
});
