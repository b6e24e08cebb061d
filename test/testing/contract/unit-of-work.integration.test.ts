import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Conflict } from '../../../src/kernel/bus/errors.ts';
import { ChangeWithoutEvent, UndeclaredChange } from '../../../src/kernel/database/write/refused-changes.ts';
import { User } from '../../../src/modules/users/domain/user.ts';
import { EmailTaken } from '../../../src/modules/users/domain/user-errors.ts';
import { UserType } from '../../../src/modules/users/persistence/user-type.ts';
import { TEST_TIME } from '../../../src/testing/index.ts';
import { meeting } from './meeting.ts';
import { memoryStore, postgresStore, type Store, type Try } from './stores.ts';

const at = TEST_TIME;

/** Somebody whom nobody else in this run is. */
function newUser(email = `${randomUUID()}@example.org`): User {
  return User.create({ id: randomUUID(), email, name: 'Ada', passwordHash: 'hash', at });
}

/** What the aggregate lets others see. */
const seen = ({
  id,
  email,
  name,
  passwordHash,
  status,
  roles,
  createdAt,
  updatedAt,
  lastLoginAt,
  sessionEpoch,
  version,
}: User) => ({
  ...{ id, email, name, passwordHash, status, roles, createdAt, updatedAt, lastLoginAt, sessionEpoch, version },
});

describe.each([
  ['memory', memoryStore],
  ['PostgreSQL', postgresStore],
])('a unit of work on %s', (_, start) => {
  let store: Store;
  beforeAll(async () => {
    store = await start();
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
  });

  async function stored(email?: string): Promise<string> {
    const user = newUser(email);
    await store.run(async ({ work }) => work.add(UserType, user));
    return user.id;
  }
  async function found({ work }: Pick<Try, 'work'>, id: string): Promise<User> {
    const user = await work.find(UserType, id);
    if (!user) throw new Error('there is no such user');
    return user;
  }
  const stateOf = (id: string) => store.run(async (tools) => seen(await found(tools, id)));
  const typesOf = async (id: string) => (await store.events(id)).map(({ type }) => type);
  const failureOf = (command: Promise<unknown>): Promise<unknown> =>
    command.then(
      () => undefined,
      (error: unknown) => error,
    );

  it('keeps a new aggregate with what it recorded', async () => {
    const user = newUser();
    await store.run(async ({ work }) => work.add(UserType, user));
    expect(await stateOf(user.id)).toEqual(seen(user));
    expect(await store.events(user.id)).toEqual([{ type: 'UserCreated', email: user.email, name: 'Ada' }]);
  });

  it('keeps a change with its events, in order', async () => {
    const id = await stored();
    await store.run(async (tools) => {
      const user = await found(tools, id);
      user.changeName('Augusta', { at });
      user.grantRole('auditor', { at });
      user.suspend('spam', { at });
    });
    expect(await stateOf(id)).toMatchObject({
      name: 'Augusta',
      roles: ['auditor'],
      status: 'suspended',
      version: 2,
      sessionEpoch: 2,
    });
    expect(await typesOf(id)).toEqual(['UserCreated', 'UserNameChanged', 'UserRoleGranted', 'UserSuspended']);
  });

  it('loads what was loaded before as nothing new: its events are not recorded again', async () => {
    const id = await stored();
    await store.run(async (tools) => (await found(tools, id)).changeName('Augusta', { at }));
    expect(await store.run(async (tools) => (await found(tools, id)).recordedEvents)).toEqual([]);
  });

  it('finds by an id in either case, and nothing by one that nobody has', async () => {
    const id = await stored();
    expect(await store.run(async (tools) => (await found(tools, id.toUpperCase())).id)).toBe(id);
    expect(await store.run(({ work }) => work.find(UserType, randomUUID()))).toBeUndefined();
  });

  it('finds what it has found already as the command has changed it', async () => {
    const id = await stored();
    await store.run(async (tools) => {
      (await found(tools, id)).changeName('Augusta', { at });
      const again = await found(tools, id.toUpperCase());
      expect(again).toMatchObject({ name: 'Augusta', version: 2 });
      again.grantRole('auditor', { at });
    });
    expect(await stateOf(id)).toMatchObject({ name: 'Augusta', roles: ['auditor'], version: 2 });
    expect(await typesOf(id)).toEqual(['UserCreated', 'UserNameChanged', 'UserRoleGranted']);
  });

  it('keeps nothing of a command that was refused', async () => {
    const id = await stored();
    const before = await stateOf(id);
    const refusal = new EmailTaken('x');
    const refused = store.run(async (tools) => {
      (await found(tools, id)).changeName('Augusta', { at });
      throw refusal;
    });
    expect(await failureOf(refused)).toBe(refusal);
    expect(await stateOf(id)).toEqual(before);
    expect(await typesOf(id)).toEqual(['UserCreated']);
  });

  it('keeps nothing of a command that changes nothing', async () => {
    const id = await stored();
    const before = await stateOf(id);
    await store.run(async (tools) => (await found(tools, id)).changeName('Ada', { at }));
    expect(await stateOf(id)).toEqual(before);
    expect(await typesOf(id)).toEqual(['UserCreated']);
  });

  it('lets one of two commands win that change one aggregate at once; the other has a Conflict, and nothing is lost', async () => {
    const id = await stored();
    const meet = meeting(2);
    const rename = (name: string) =>
      store.run(async (tools) => {
        const user = await found(tools, id);
        await meet();
        user.changeName(name, { at });
      });
    const outcomes = await Promise.all([failureOf(rename('One')), failureOf(rename('Other'))]);
    expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1);
    expect(outcomes.find((outcome) => outcome !== undefined)).toBeInstanceOf(Conflict);
    expect(await typesOf(id)).toEqual(['UserCreated', 'UserNameChanged']);
    expect(await stateOf(id)).toMatchObject({ version: 2 });
  });

  it('has a Conflict too when the other command raised no version', async () => {
    const id = await stored();
    const meet = meeting(2);
    const act = (change: (user: User) => unknown) =>
      store.run(async (tools) => {
        const user = await found(tools, id);
        await meet();
        change(user);
      });
    const outcomes = await Promise.all([
      failureOf(act((user) => user.logIn(at))),
      failureOf(act((user) => user.changeName('Augusta', { at }))),
    ]);
    expect(outcomes.filter((outcome) => outcome instanceof Conflict)).toHaveLength(1);
  });

  it('changes different aggregates at once', async () => {
    const ids = [await stored(), await stored()];
    const meet = meeting(2);
    const rename = (id: string) =>
      store.run(async (tools) => {
        const user = await found(tools, id);
        await meet();
        user.changeName('Augusta', { at });
      });
    await Promise.all(ids.map(rename));
    for (const id of ids) expect(await stateOf(id)).toMatchObject({ name: 'Augusta' });
  });

  it('refuses a value that is unique and somebody else’s, by the error of the type, and keeps nothing', async () => {
    const email = `${randomUUID()}@example.org`;
    await stored(email);
    const [id, another] = [await stored(), newUser(email.toUpperCase())];
    const added = store.run(async ({ work }) => work.add(UserType, another));
    expect(await failureOf(added)).toBeInstanceOf(EmailTaken);
    expect(await store.events(another.id)).toEqual([]);
    const moved = store.run(async (tools) => (await found(tools, id)).changeEmail(email, { at }));
    expect(await failureOf(moved)).toBeInstanceOf(EmailTaken);
    expect(await typesOf(id)).toEqual(['UserCreated']);
  });

  it('gives a unique value to one of those who take it at once', async () => {
    const email = `${randomUUID()}@example.org`;
    const meet = meeting(4);
    const add = () =>
      store.run(async ({ work }) => {
        work.add(UserType, newUser(email));
        await meet();
      });
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => failureOf(add())));
    expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome instanceof EmailTaken)).toHaveLength(3);
  });

  it('frees a unique value with the aggregate that gives it up', async () => {
    const email = `${randomUUID()}@example.org`;
    const id = await stored(email);
    await store.run(async (tools) => (await found(tools, id)).delete({ at }));
    await stored(email);
    // What is null is not unique.
    const another = await stored();
    await store.run(async (tools) => (await found(tools, another)).delete({ at }));
  });

  it('takes no change without an event, and names what was changed', async () => {
    const id = await stored();
    const before = await stateOf(id);
    const forgetful = store.run(async (tools) => Object.assign(await found(tools, id), { _name: 'Forgotten' }));
    const failure = await failureOf(forgetful);
    expect(failure).toBeInstanceOf(ChangeWithoutEvent);
    expect((failure as Error).message).toContain(`ChangeName changed _name of users.v1.User ${id}, and recorded no event`);
    expect(await stateOf(id)).toEqual(before);
  });

  it('notices a change inside of an array', async () => {
    const id = await stored();
    const forgetful = store.run(async (tools) =>
      ((await found(tools, id)) as unknown as { _roles: string[] })._roles.push('admin'),
    );
    expect(await failureOf(forgetful)).toBeInstanceOf(ChangeWithoutEvent);
    expect(await stateOf(id)).toMatchObject({ roles: [] });
  });

  it('takes the change of one aggregate only', async () => {
    const ids = [await stored(), await stored()];
    const both = store.run(async (tools) => {
      for (const id of ids) (await found(tools, id)).changeName('Augusta', { at });
    });
    expect(await failureOf(both)).toBeInstanceOf(UndeclaredChange);
    for (const id of ids) expect(await stateOf(id)).toMatchObject({ name: 'Ada' });
  });

  it('erases what is personal in the events of an aggregate that is to be forgotten', async () => {
    const id = await stored();
    await store.run(async (tools) => (await found(tools, id)).delete({ at }));
    expect(await store.events(id)).toEqual([{ type: 'UserCreated', email: '', name: '' }, { type: 'UserDeleted' }]);
    expect(await stateOf(id)).toMatchObject({ email: '', name: '', passwordHash: undefined, status: 'deleted' });
  });
});
