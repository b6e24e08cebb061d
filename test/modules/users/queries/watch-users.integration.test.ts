import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { QueryService, type WatchUsersResponse } from '#gen/users/v1/query_service_pb.js';
import { type User, UserStatus } from '#gen/users/v1/user_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { asAdmin, logIn, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { numbered } from '../../events/feed-of-people.ts';
import { listed, WatchingClient } from './watching-client.ts';

const strong = { 'cqrs-consistency': 'strong' };

let app: TestApp;
let stop: AbortController;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort());

const queries = (role = 'admin') => app.client(QueryService, { roles: [role] });
type Request = Parameters<ReturnType<typeof queries>['watchUsers']>[0];
type Change = WatchUsersResponse['change'];

/** A stream, read message by message. */
function watch(request: Request, { role = 'admin', headers = strong as Record<string, string>, signal = stop.signal } = {}) {
  const messages = queries(role).watchUsers(request, { headers, signal })[Symbol.asyncIterator]();
  const next = async (): Promise<WatchUsersResponse> => (await messages.next()).value;
  return {
    next,
    /** What comes up to the first message of the kind, without it. */
    until: async (kind: Change['case']): Promise<WatchUsersResponse[]> => {
      const taken: WatchUsersResponse[] = [];
      for (;;) {
        const message = await next();
        if (message.change.case === kind) return taken;
        taken.push(message);
      }
    },
  };
}

/** A stream that has caught up with all that has happened, and its snapshot. */
async function caughtUp(request: Request) {
  await numbered(app);
  const stream = watch(request);
  const taken = await stream.until('caughtUp');
  return { ...stream, snapshot: taken.filter(({ change }) => change.case === 'snapshot') };
}

/** What a message says, in short. */
function said({ change }: WatchUsersResponse): unknown[] {
  switch (change.case) {
    case 'snapshot':
    case 'upsert':
      return [change.case, change.value.id, change.value.name];
    case 'removed':
      return [change.case, change.value.userId];
    default:
      return [change.case];
  }
}

/** A word that no other test searches for. */
const word = (): string => `w${randomUUID().replaceAll('-', '')}`;

describe('watchUsers', () => {
  it('sends those who match, says that it has caught up, and goes on with what becomes of them', async () => {
    const search = word();
    const [ada, grace] = [await signUp(app, { name: `Ada ${search}` }), await signUp(app, { name: `Grace ${search}` })];
    await signUp(app);
    const stream = await caughtUp({ search });
    expect(stream.snapshot.map(said)).toEqual([
      ['snapshot', ada.id, ada.name],
      ['snapshot', grace.id, grace.name],
    ]);
    await asAdmin(app).changeName({ userId: ada.id, name: `Countess ${search}` });
    expect(said(await stream.next())).toEqual(['upsert', ada.id, `Countess ${search}`]);
    const joan = await signUp(app, { name: `Joan ${search}` });
    expect(said(await stream.next())).toEqual(['upsert', joan.id, joan.name]);
    const { user } = await queries().getUser({ userId: joan.id }, { headers: strong });
    expect((await caughtUp({ search })).snapshot.at(-1)?.change.value).toEqual(user);
  });

  it('tells of those who leave the list: by another name, by a status, by being deleted', async () => {
    const search = word();
    const users = await Promise.all(['Ada', 'Grace', 'Joan'].map((name) => signUp(app, { name: `${name} ${search}` })));
    const [ada, grace, joan] = users as [User, User, User];
    const stream = await caughtUp({ search, status: UserStatus.ACTIVE });
    expect(stream.snapshot).toHaveLength(3);
    await asAdmin(app).changeName({ userId: ada.id, name: 'Nobody' });
    expect(said(await stream.next())).toEqual(['removed', ada.id]);
    await asAdmin(app).suspendUser({ userId: grace.id, reason: 'a test' });
    expect(said(await stream.next())).toEqual(['removed', grace.id]);
    await asAdmin(app).deleteUser({ userId: joan.id });
    expect(said(await stream.next())).toEqual(['removed', joan.id]);
    await asAdmin(app).reactivateUser({ userId: grace.id, reason: 'a test' });
    expect(said(await stream.next())).toEqual(['upsert', grace.id, grace.name]);
  });

  it('watches those who are named, whatever comes of the others', async () => {
    const [ada, grace] = [await signUp(app), await signUp(app)];
    const stream = await caughtUp({ userIds: [ada.id.toUpperCase(), randomUUID()] });
    expect(stream.snapshot.map(said)).toEqual([['snapshot', ada.id, ada.name]]);
    await asAdmin(app).changeName({ userId: grace.id, name: 'Not watched' });
    await asAdmin(app).changeName({ userId: ada.id, name: 'Watched' });
    expect(said(await stream.next())).toEqual(['upsert', ada.id, 'Watched']);
    await asAdmin(app).deleteUser({ userId: ada.id });
    expect(said(await stream.next())).toEqual(['removed', ada.id]);
  });

  it('says nothing of what cannot have moved a user who is not on the list', async () => {
    const search = word();
    const [active, suspended] = [await signUp(app, { name: search }), await signUp(app, { name: search })];
    const stream = await caughtUp({ search, status: UserStatus.SUSPENDED });
    expect(stream.snapshot).toEqual([]);
    await logIn(app, active);
    await asAdmin(app).grantRole({ userId: active.id, role: 'auditor' });
    await asAdmin(app).suspendUser({ userId: suspended.id, reason: 'a test' });
    expect(said(await stream.next())).toEqual(['upsert', suspended.id, search]);
  });

  it('goes on where a token was made: nothing is sent twice that has not changed, and nothing is missing', async () => {
    const search = word();
    const [ada, grace] = [await signUp(app, { name: `Ada ${search}` }), await signUp(app, { name: `Grace ${search}` })];
    await numbered(app);
    const first = new WatchingClient({ search });
    first.connect(queries(), { headers: strong });
    await eventually(() => expect(first.timesCaughtUp).toBe(1));
    await first.cut();
    await asAdmin(app).changeName({ userId: ada.id, name: `Countess ${search}` });
    await asAdmin(app).changeName({ userId: grace.id, name: 'Gone' });
    await numbered(app);
    const told = await watch({ search, resumeToken: first.resumeToken }).until('caughtUp');
    expect(told.map(said)).toEqual([
      ['upsert', ada.id, `Countess ${search}`],
      ['removed', grace.id],
    ]);
    const other = new WatchingClient({ search });
    other.resumeToken = first.resumeToken;
    for (const [id, user] of first.users) other.users.set(id, user);
    // On the replica.
    other.connect(queries());
    const want = await listed(queries(), { search });
    await eventually(() => expect(other.users).toEqual(want));
    await other.cut();
  });

  it('goes on in the middle of a snapshot', async () => {
    const search = word();
    await manyUsers(700, search);
    const leaving = new AbortController();
    const first = watch({ search }, { signal: leaving.signal });
    const client = new WatchingClient({ search });
    let taken = 0;
    while (client.resumeToken === '') {
      client.resumeToken = (await first.next()).resumeToken;
      taken += 1;
    }
    leaving.abort();
    expect(taken).toBeLessThan(700);
    client.connect(queries(), { headers: strong });
    await eventually(() => expect(client.timesCaughtUp).toBe(1));
    await client.cut();
    expect(client.users.size).toBe(700 - taken);
  });

  it.each([
    ['of another list', { search: 'another' }],
    ['of other users', { userIds: [randomUUID()] }],
    ['that is damaged', { resumeToken: 'AAAA' }],
  ])('refuses a token %s', async (_, request) => {
    const { resumeToken } = await (async () => {
      const stream = watch({ search: word() });
      return await stream.next();
    })();
    expect(resumeToken).not.toBe('');
    expect(await refusalOf(watch({ resumeToken, ...request }).next())).toMatchObject({
      code: 'InvalidArgument',
      reason: 'RESUME_TOKEN_INVALID',
      fields: ['resume_token'],
    });
  });

  it('needs users.read, and takes no more than a thousand ids', async () => {
    expect(await refusalOf(app.client(QueryService, { roles: [] }).watchUsers({})[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'PermissionDenied',
    });
    const userIds = Array.from({ length: 1001 }, () => randomUUID());
    expect(await refusalOf(watch({ userIds }).next())).toMatchObject({ fields: ['user_ids'] });
  });
});

/** Rows as commands leave them, without the commands. */
async function manyUsers(count: number, name: string): Promise<void> {
  await app.database.query(
    `insert into read.user_directory (id, email, name, status, roles, created_at, updated_at, version, name_key, search_text)
     select gen_random_uuid(), n || $2, $2, 'active', '{}', now(), now(), 1, $2, $2 from generate_series(1, $1::integer) as n`,
    [count, name],
  );
}

it('a client that reads slowly gets the latest state of each user and not every one, and nothing is kept for it', async () => {
  const search = word();
  const users = await Promise.all(Array.from({ length: 10 }, () => signUp(app, { name: search })));
  const slow = new WatchingClient({ search });
  const gate = Promise.withResolvers<void>();
  let isHeld = false;
  slow.connect(queries(), { headers: strong, pause: () => (isHeld ? gate.promise : Promise.resolve()) });
  await eventually(() => expect(slow.timesCaughtUp).toBe(1));
  const before = slow.messages;
  isHeld = true;
  const TIMES = 200;
  await Promise.all(
    users.map(async ({ id }) => {
      for (let time = 1; time <= TIMES; time += 1) await asAdmin(app).changeName({ userId: id, name: `${search} ${time}` });
    }),
  );
  await numbered(app);
  isHeld = false;
  gate.resolve();
  const want = await listed(queries(), { search });
  await eventually(() => expect(slow.users).toEqual(want));
  await slow.cut();
  expect([...want.values()].map(({ name }) => name)).toEqual(users.map(() => `${search} ${TIMES}`));
  expect(slow.messages - before).toBeLessThan(users.length * 20);
});
