import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '../../../../gen/users/v1/query_service_pb.js';
import { UserStatus } from '../../../../gen/users/v1/user_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, logIn, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
  await fill(300);
});
afterAll(() => app.stop());

/** Users made in bulk: many share a creation time and a name, so that ids have to break ties. */
async function fill(count: number): Promise<void> {
  const columns = 'id, email, name, status, roles, created_at, updated_at, version';
  await app.database.query(
    `insert into read.user_directory (${columns})
     select gen_random_uuid(), 'user' || lpad(n::text, 4, '0') || '@example.org', 'Name ' || (n % 7),
       case when n % 10 = 0 then 'suspended' when n % 25 = 1 then 'deleted' else 'active' end, '{}',
       timestamptz '2026-01-01' + (n / 5) * interval '1 second', now(), 1
     from generate_series(1, $1::int) as n`,
    [count],
  );
}

const list = () => app.client(QueryService, { roles: ['auditor'] });
const strong = { headers: { 'cqrs-consistency': 'strong' } };

async function allPages(request: { orderBy?: string; status?: UserStatus; search?: string }, pageSize = 17): Promise<string[]> {
  const ids: string[] = [];
  for (let pageToken = ''; ; ) {
    const page = await list().listUsers({ ...request, pageSize, pageToken }, strong);
    ids.push(...page.users.map(({ id }) => id));
    pageToken = page.nextPageToken;
    if (!pageToken) return ids;
  }
}

describe('listUsers', () => {
  it.each([
    ['', 'created_at'],
    ['created_at desc', 'created_at desc'],
    ['email', 'lower(email)'],
    ['email desc', 'lower(email) desc'],
    ['name asc', 'lower(name)'],
    ['name desc', 'lower(name) desc'],
  ])('ordered by "%s", gives every row once and in order, page by page', async (orderBy, sql) => {
    const direction = sql.endsWith('desc') ? 'desc' : 'asc';
    const expected = await app.database.query<{ id: string }>(
      `select id from read.user_directory where status <> 'deleted' order by ${sql}, id ${direction}`,
    );
    expect(await allPages({ orderBy })).toEqual(expected.map(({ id }) => id));
  });

  it.each([
    [UserStatus.ACTIVE, 'active'],
    [UserStatus.SUSPENDED, 'suspended'],
    [UserStatus.DELETED, 'deleted'],
  ])('with status %s gives those alone', async (status, name) => {
    const expected = await app.database.query('select from read.user_directory where status = $1', [name]);
    expect(await allPages({ status })).toHaveLength(expected.length);
  });

  it('finds part of a name or an e-mail in any case, and takes wildcards for themselves', async () => {
    await signUp(app, { name: '100% Söderström_\\x' });
    for (const search of ['söderSTRÖM', '100%', '_\\x', '0% SÖ']) expect(await allPages({ search })).toHaveLength(1);
    expect(await allPages({ search: '%%' })).toHaveLength(0);
    expect(await allPages({ search: 'USER004' })).not.toHaveLength(0);
  });

  it('finds the longest names that there can be', async () => {
    // Each is 5 bytes when it is folded, and all are in the index of names twice and with the address.
    const letters = Array.from({ length: 200 }, (_, index) => String.fromCodePoint(0x1f80 + ((index * 7) % 48)));
    const user = await signUp(app, { name: letters.join('') });
    expect(await allPages({ search: letters.slice(100, 150).join(''), orderBy: 'name' })).toEqual([user.id]);
  });

  it('misses and repeats nothing that nobody touched while rows come and go', async () => {
    const before = new Set(await allPages({ orderBy: 'email' }));
    const seen: string[] = [];
    const gone = new Set<string>();
    for (let pageToken = '', round = 0; ; round += 1) {
      const page = await list().listUsers({ orderBy: 'email', pageSize: 20, pageToken }, strong);
      seen.push(...page.users.map(({ id }) => id));
      pageToken = page.nextPageToken;
      if (!pageToken) break;
      await signUp(app, { email: `user00${round % 10}a${round}@example.org` });
      const rows = await app.database.query<{ id: string }>(
        `delete from read.user_directory where id = (select id from read.user_directory order by random() limit 1) returning id`,
      );
      for (const { id } of rows) gone.add(id);
    }
    expect(new Set(seen).size).toBe(seen.length);
    const missed = [...before].filter((id) => !seen.includes(id) && !gone.has(id));
    expect(missed).toEqual([]);
  });

  it('answers pages by number as well, and goes on by token from there', async () => {
    const first = await list().listUsers({ pageSize: 10, page: 1 }, strong);
    const second = await list().listUsers({ pageSize: 10, page: 2 }, strong);
    const byToken = await list().listUsers({ pageSize: 10, pageToken: first.nextPageToken }, strong);
    expect(second.users).toEqual(byToken.users);
    expect(await list().listUsers({ pageSize: 10, page: 99_999 }, strong)).toMatchObject({ users: [], nextPageToken: '' });
  });

  it('counts what matches when asked, whatever the page', async () => {
    const { totalSize, users } = await list().listUsers(
      { pageSize: 3, status: UserStatus.SUSPENDED, includeTotal: true },
      strong,
    );
    const [row] = await app.database.query<{ count: string }>(
      `select count(*) from read.user_directory where status = 'suspended'`,
    );
    expect(users).toHaveLength(3);
    expect(totalSize).toBe(BigInt(row?.count ?? -1));
    expect((await list().listUsers({ pageSize: 3 }, strong)).totalSize).toBeUndefined();
  });

  it('takes 0 for 50 rows a page and more than 1000 for 1000', async () => {
    await fill(900);
    expect((await list().listUsers({}, strong)).users).toHaveLength(50);
    expect((await list().listUsers({ pageSize: 5000 }, strong)).users).toHaveLength(1000);
    expect(await refusalOf(list().listUsers({ pageSize: -1 }))).toMatchObject({ code: 'InvalidArgument', fields: ['page_size'] });
  });

  it('binds a token to filter and order, and lets the page size change', async () => {
    const { nextPageToken: pageToken } = await list().listUsers({ pageSize: 5, orderBy: 'name' }, strong);
    expect((await list().listUsers({ pageSize: 9, orderBy: 'name', pageToken }, strong)).users).toHaveLength(9);
    for (const other of [
      { orderBy: 'name desc' },
      { orderBy: 'email' },
      { orderBy: 'name', search: 'a' },
      { orderBy: 'name', status: UserStatus.ACTIVE },
    ]) {
      expect(await refusalOf(list().listUsers({ ...other, pageToken }))).toMatchObject({
        code: 'InvalidArgument',
        reason: 'PAGE_TOKEN_INVALID',
      });
    }
    const forged = `${pageToken.slice(0, -2)}AA`;
    expect(await refusalOf(list().listUsers({ orderBy: 'name', pageToken: forged }))).toMatchObject({
      reason: 'PAGE_TOKEN_INVALID',
    });
    expect(await refusalOf(list().listUsers({ orderBy: 'name', pageToken, page: 2 }))).toMatchObject({
      reason: 'INVALID_REQUEST',
    });
  });

  it('shows nothing of its position in a token', async () => {
    const { nextPageToken } = await list().listUsers({ pageSize: 1, orderBy: 'email' }, strong);
    expect(Buffer.from(nextPageToken, 'base64url').toString('latin1')).not.toMatch(/user\d|example/);
  });
});

describe('getUser and findUserByEmail', () => {
  it('answer a user by id and by e-mail in any case', async () => {
    const user = await signUp(app);
    const { user: byId } = await list().getUser({ userId: user.id.toUpperCase() }, strong);
    const { user: byEmail } = await list().findUserByEmail({ email: user.email.toUpperCase() }, strong);
    expect(byId).toEqual(user);
    expect(byEmail).toEqual(user);
  });

  it('still answer what remains of a deleted user, by id', async () => {
    const user = await signUp(app);
    await asAdmin(app).deleteUser({ userId: user.id });
    const { user: left } = await list().getUser({ userId: user.id }, strong);
    expect(left).toMatchObject({ id: user.id, status: UserStatus.DELETED, email: '', name: '' });
    expect(await refusalOf(list().findUserByEmail({ email: user.email }, strong))).toMatchObject({
      code: 'NotFound',
      reason: 'USER_NOT_FOUND',
    });
  });

  it('let a user see themselves and nobody else', async () => {
    const [me, other] = [await signUp(app), await signUp(app)];
    const client = app.client(QueryService, { token: await logIn(app, me) });
    expect((await client.getUser({ userId: me.id })).user?.id).toBe(me.id);
    expect(await refusalOf(client.getUser({ userId: other.id }))).toMatchObject({ code: 'PermissionDenied' });
    expect(await refusalOf(client.findUserByEmail({ email: me.email }))).toMatchObject({ code: 'PermissionDenied' });
    expect(await refusalOf(app.client(QueryService).getUser({ userId: me.id }))).toMatchObject({
      code: 'Unauthenticated',
      reason: 'TOKEN_MISSING',
    });
  });

  it('find on a replica that is behind what the primary already has', async () => {
    for (let round = 0; round < 20; round += 1) {
      const user = await signUp(app);
      expect((await list().getUser({ userId: user.id })).user?.id).toBe(user.id);
    }
  });
});

describe('cqrs-served-by', () => {
  const servedBy = async (headers: Record<string, string>): Promise<string | null> => {
    let name: string | null = null;
    await list().listUsers(
      { pageSize: 1 },
      {
        headers,
        onHeader: (header) => {
          name = header.get('cqrs-served-by');
        },
      },
    );
    return name;
  };

  it('names the replica, and the primary when it was asked for', async () => {
    expect(await servedBy({})).toBe('replica-1');
    expect(await servedBy({ 'cqrs-consistency': 'strong' })).toBe('primary');
  });
});
