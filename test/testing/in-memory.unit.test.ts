import { describe, expect, it } from '@jest/globals';
import { CommandService as AuditService } from '#gen/audit/v1/command_service_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { changeName } from '../../src/modules/users/commands/change-name.ts';
import type { UsersContext } from '../../src/modules/users/commands/context.ts';
import { createUser } from '../../src/modules/users/commands/create-user.ts';
import { deleteUser } from '../../src/modules/users/commands/delete-user.ts';
import { users } from '../../src/modules/users/module.ts';
import { userRepository } from '../../src/modules/users/persistence/user-repository.ts';
import {
  answered,
  done,
  ExpectationFailed,
  inMemory,
  NoSqlInMemory,
  nothing,
  refused,
  TEST_TIME,
  testId,
} from '../../src/testing/index.ts';
import { PASSWORD, person } from '../modules/users/given-users.ts';
import { usersInMemory } from '../modules/users/memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');
const rename = { userId: ada.id, name: 'Augusta' };
const renamed = { type: 'UserNameChanged', name: 'Augusta' };

const failureOf = (test: PromiseLike<unknown>): Promise<string> =>
  Promise.resolve(test).then(
    () => {
      throw new Error('the test did not fail');
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(ExpectationFailed);
      return (error as Error).message;
    },
  );

describe('given, when, then of a handler in memory', () => {
  it('begins with aggregates', () => given(ada).when(changeName, rename).then(renamed));

  it('begins with commands that were done', () =>
    given(done(createUser, { email: 'grace@example.org', name: 'Grace', password: PASSWORD }))
      .when(createUser, { email: 'grace@example.org', name: 'Another', password: PASSWORD })
      .then(refused('EMAIL_TAKEN')));

  it('says when what is given was refused', async () => {
    const scenario = given(done(changeName, rename)).when(changeName, rename);
    await expect(scenario.outcome()).rejects.toThrow('what is given was refused: USER_NOT_FOUND');
  });

  it('begins anew each time, and leaves what is given as it was', async () => {
    await given(ada).when(changeName, rename).then(renamed);
    await given(ada)
      .when(changeName, rename)
      .then(renamed, answered({ user: { version: 2n } }));
    await given().when(changeName, rename).then(refused('USER_NOT_FOUND'));
  });

  it('goes on where one command after the other is sent', async () => {
    const scenario = given(ada);
    await scenario.when(changeName, rename).then(renamed);
    await scenario.when(changeName, rename).then(nothing, answered({ user: { version: 2n } }));
  });

  it('gives ids and the time', () =>
    given()
      .when(createUser, { email: 'grace@example.org', name: 'Grace', password: PASSWORD })
      .then(
        { type: 'UserCreated', email: 'grace@example.org', name: 'Grace' },
        answered({ user: { id: testId(1), createdAt: TEST_TIME } }),
      ));

  it('takes another time', () => {
    const later = new Date('2027-01-01T00:00:00Z');
    return given(ada)
      .at(later)
      .when(changeName, rename)
      .then(renamed, answered({ user: { updatedAt: later } }));
  });

  it('names events by their short or by their full name', () =>
    given(ada).when(changeName, rename).then({ type: 'users.v1.UserNameChanged', name: 'Augusta' }));

  it('passes on what is no refusal', async () => {
    const { given: broken } = inMemory<UsersContext>(users, { commandContext: () => undefined as never });
    await expect(broken(ada).when(changeName, rename).outcome()).rejects.toThrow(TypeError);
  });

  it('says what to do where a repository asks by SQL', async () => {
    const { given: bySql } = inMemory<UsersContext>(users, {
      commandContext: (_, { work }) => ({ users: userRepository(work as never) }) as UsersContext,
    });
    await bySql(ada).when(changeName, rename).then(renamed);
    const boss = person('Ada', (user) => user.grantRole('admin', { at: TEST_TIME }));
    const asked = bySql(boss).when(deleteUser, { userId: ada.id }).outcome();
    await expect(asked).rejects.toThrow(NoSqlInMemory);
  });

  it('names the aggregate that is none of the module', async () => {
    await expect(given(new Date()).when(changeName, rename).outcome()).rejects.toThrow('Date is none of the aggregates');
  });

  it('takes the rpc in the place of its handler', () => given(ada).when(CommandService.method.changeName, rename).then(renamed));

  it('says so when a query is sent, or what is none of the module', async () => {
    const { getUser } = QueryService.method;
    await expect(given(ada).when(getUser, { userId: ada.id }).outcome()).rejects.toThrow('test it over the wire');
    const { pruneCommands } = AuditService.method;
    await expect(given(ada).when(pruneCommands, {}).outcome()).rejects.toThrow('no rpc of the module users');
  });

  it('says what it needs of a module that starts', () => {
    expect(() => inMemory(users)).toThrow('give `inMemory` its `parts`');
  });

  it('can be awaited for what came', async () => {
    expect(await given(ada).when(changeName, rename).outcome()).toMatchObject({ events: [renamed], refusal: undefined });
  });
});

describe('a test of a handler fails', () => {
  it.each<[string, () => PromiseLike<unknown>, string]>([
    [
      'records other values',
      () =>
        given(ada)
          .when(changeName, rename)
          .then({ ...renamed, name: 'Grace' }),
      "-     name: 'Grace'",
    ],
    [
      'records no such field',
      () =>
        given(ada)
          .when(changeName, rename)
          .then({ ...renamed, nick: 'G' }),
      "-     nick: 'G'",
    ],
    [
      'records another event',
      () =>
        given(ada)
          .when(changeName, rename)
          .then({ ...renamed, type: 'UserRenamed' }),
      'UserRenamed',
    ],
    ['records more', () => given(ada).when(changeName, rename).then(nothing), '+   {'],
    [
      'answers otherwise',
      () =>
        given(ada)
          .when(changeName, rename)
          .then(renamed, answered({ user: { name: 'Grace' } })),
      'answered otherwise',
    ],
    ['is refused', () => given().when(changeName, rename).then(renamed), 'was refused: USER_NOT_FOUND'],
    [
      'is not refused',
      () => given(ada).when(changeName, rename).then(refused('USER_NOT_FOUND')),
      'expected the refusal USER_NOT_FOUND',
    ],
  ])('when it %s, against expectation', async (_, test, message) => expect(await failureOf(test())).toContain(message));

  it('at the line of the test', async () => {
    const error: unknown = await given(ada)
      .when(changeName, rename)
      .then(nothing)
      .catch((caught: unknown) => caught);
    expect((error as Error).stack?.split('\n').find((line) => line.includes(' at '))).toContain('in-memory.unit.test.ts');
  });
});
