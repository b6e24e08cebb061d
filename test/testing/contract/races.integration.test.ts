import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { application } from '../../../src/app.ts';
import { changeEmail } from '../../../src/modules/users/commands/change-email.ts';
import { changeName } from '../../../src/modules/users/commands/change-name.ts';
import { createUser } from '../../../src/modules/users/commands/create-user.ts';
import { grantRole } from '../../../src/modules/users/commands/grant-role.ts';
import { revokeRole } from '../../../src/modules/users/commands/revoke-role.ts';
import { suspendUser } from '../../../src/modules/users/commands/suspend-user.ts';
import { User } from '../../../src/modules/users/domain/user.ts';
import { UserType } from '../../../src/modules/users/persistence/user-type.ts';
import { type Outcome, type Scenario, startTestService, TEST_TIME } from '../../../src/testing/index.ts';
import { PASSWORD } from '../../modules/users/given-users.ts';
import { usersInMemory } from '../../modules/users/memory/in-memory.ts';

type Given = (...given: readonly object[]) => Scenario;

/** In memory, as the test kit has it. */
async function memory(): Promise<AsyncDisposable & { given: Given }> {
  return { given: usersInMemory().given, [Symbol.asyncDispose]: async () => {} };
}

/** The program, over the wire, on PostgreSQL. */
async function postgres(): Promise<AsyncDisposable & { given: Given }> {
  const { given, stop } = await startTestService(application, { environment: { RATE_LIMITS: 'sign-up=off' } });
  return { given, [Symbol.asyncDispose]: stop };
}

const newAddress = (): string => `${randomUUID()}@example.org`;

/** Somebody whom nobody else in this run is. */
function newUser(...history: ((user: User) => unknown)[]): User {
  const user = User.create({ id: randomUUID(), email: newAddress(), name: 'Ada', passwordHash: 'hash', at: TEST_TIME });
  for (const happen of history) happen(user);
  return user;
}
const isAdmin = (user: User): unknown => user.grantRole('admin', { at: TEST_TIME });

const reasonsOf = (outcomes: readonly Outcome[]): string[] => outcomes.map(({ refusal }) => refusal?.reason ?? 'done').toSorted();

describe.each([
  ['memory', memory],
  ['PostgreSQL', postgres],
])('commands at once on %s', (_, start) => {
  let stage: Awaited<ReturnType<typeof memory>>;
  beforeAll(async () => {
    stage = await start();
  });
  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
  });

  it('all change one aggregate, one after the other, and none is lost', async () => {
    const user = newUser();
    const scenario = stage.given(user);
    const roles = ['auditor', 'operator'];
    const outcomes = await Promise.all([
      ...roles.map((role) => scenario.when(grantRole, { userId: user.id, role }).outcome()),
      scenario.when(changeName, { userId: user.id, name: 'Augusta' }).outcome(),
    ]);
    expect(reasonsOf(outcomes)).toEqual(['done', 'done', 'done']);
    const stored = await scenario.stored(UserType, user.id);
    expect(stored?.aggregate).toMatchObject({ roles, name: 'Augusta', version: 4 });
    expect(stored?.history.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
  });

  it('change one aggregate at one version: one does, the others learn that it is another one', async () => {
    const user = newUser();
    const scenario = stage.given(user);
    const rename = (name: string) => scenario.when(changeName, { userId: user.id, name, expectedVersion: 1n }).outcome();
    expect(reasonsOf(await Promise.all(['One', 'Two', 'Three'].map(rename)))).toEqual([
      'VERSION_MISMATCH',
      'VERSION_MISMATCH',
      'done',
    ]);
  });

  it('take one address: one has it', async () => {
    const email = newAddress();
    const scenario = stage.given();
    const signUp = () => scenario.when(createUser, { email, name: 'Ada', password: PASSWORD }).outcome();
    expect(reasonsOf(await Promise.all([signUp(), signUp(), signUp()]))).toEqual(['EMAIL_TAKEN', 'EMAIL_TAKEN', 'done']);
  });

  it('move to one address: one does, and the others keep theirs', async () => {
    const users = [newUser(), newUser(), newUser()];
    const email = newAddress();
    const scenario = stage.given(...users);
    const outcomes = await Promise.all(users.map(({ id }) => scenario.when(changeEmail, { userId: id, email }).outcome()));
    expect(reasonsOf(outcomes)).toEqual(['EMAIL_TAKEN', 'EMAIL_TAKEN', 'done']);
    const addresses = await Promise.all(users.map(async ({ id }) => (await scenario.stored(UserType, id))?.aggregate.email));
    expect(addresses.filter((address) => address === email)).toHaveLength(1);
  });

  it('remove the last two admins, each another one: one stays', async () => {
    const [one, other] = [newUser(isAdmin), newUser(isAdmin)];
    const scenario = stage.given(one, other);
    const outcomes = await Promise.all([
      scenario.when(suspendUser, { userId: one.id, reason: 'spam' }).outcome(),
      scenario.when(revokeRole, { userId: other.id, role: 'admin' }).outcome(),
    ]);
    expect(reasonsOf(outcomes)).toEqual(['LAST_ADMIN', 'done']);
  });
});
