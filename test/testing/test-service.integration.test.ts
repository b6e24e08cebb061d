import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { application } from '../../src/app.ts';
import { User } from '../../src/modules/users/domain/user.ts';
import { UserType } from '../../src/modules/users/persistence/user-type.ts';
import {
  answered,
  anything,
  done,
  ExpectationFailed,
  nobody,
  nothing,
  refused,
  startTestService,
  state,
  TEST_TIME,
  type TestService,
} from '../../src/testing/index.ts';

const { changeName, createUser, suspendUser } = CommandService.method;
const { getUser } = QueryService.method;
const PASSWORD = 'seven green lamps hum';

/** Somebody whom no other test of this file has. */
function somebody(): User {
  const id = randomUUID();
  return User.create({ id, email: `${id}@example.org`, name: 'Ada', passwordHash: 'no password has it', at: TEST_TIME });
}

let service: TestService;
beforeAll(async () => {
  service = await startTestService(application);
});
afterAll(() => service.stop());

describe('given, when, then over the wire', () => {
  it('begins with aggregates, and reads what was stored', async () => {
    const ada = somebody();
    await service
      .given(ada)
      .when(changeName, { userId: ada.id, name: 'Augusta' })
      .then(
        { type: 'UserNameChanged', name: 'Augusta' },
        answered({ user: { id: ada.id, name: 'Augusta', version: 2n } }),
        state({ name: 'Augusta', version: 2 }),
      );
  });

  it('asks queries, which see what was given', async () => {
    const ada = somebody();
    await service
      .given(ada)
      .when(getUser, { userId: ada.id })
      .then(answered({ user: { name: 'Ada', email: ada.email, createdAt: TEST_TIME } }));
  });

  it('begins with commands that were done, and with rows', async () => {
    const email = `${randomUUID()}@example.org`;
    const signUp = done(createUser, { email, name: 'Grace', password: PASSWORD });
    await service.given(signUp).when(createUser, { email, name: 'Another', password: PASSWORD }).then(refused('EMAIL_TAKEN'));

    const ada = somebody();
    await service
      .given(ada, ({ query }: TestService['database']) =>
        query(`update users."user" set name = 'By hand' where id = $1`, [ada.id]),
      )
      .when(changeName, { userId: ada.id, name: 'By hand' })
      .then(nothing);
  });

  it('takes anything for what is made anew', () =>
    service
      .given()
      .as(nobody)
      .when(createUser, { email: `${randomUUID()}@example.org`, name: 'Grace', password: PASSWORD })
      .then({ type: 'UserCreated', email: anything, name: 'Grace' }, answered({ user: { id: anything, createdAt: anything } })));

  it('calls as somebody with roles, as a user, and as nobody', async () => {
    const ada = somebody();
    const scenario = service.given(ada);
    const rename = { userId: ada.id, name: 'Augusta' };
    await scenario.as(nobody).when(changeName, rename).then(refused('TOKEN_MISSING'));
    await scenario
      .as({ roles: ['auditor'] })
      .when(changeName, rename)
      .then(refused('PERMISSION_MISSING'));
    await scenario.as({ id: ada.id }).when(changeName, rename).then({ type: 'UserNameChanged', name: 'Augusta' });
  });

  it('tells refusals with their fields and their metadata', async () => {
    const ada = somebody();
    const scenario = service.given(ada);
    await scenario.when(changeName, { userId: ada.id, name: ' ' }).then(refused('INVALID_REQUEST', { fields: ['name'] }));
    await scenario
      .when(changeName, { userId: ada.id, name: 'Augusta', expectedVersion: 7n })
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } }));
  });

  it('shows what is stored, with its history', async () => {
    const ada = somebody();
    const scenario = service.given(ada);
    await scenario.when(suspendUser, { userId: ada.id, reason: 'spam' }).then({ type: 'UserSuspended', reason: 'spam' });
    const stored = await scenario.stored(UserType, ada.id);
    expect(stored?.aggregate).toMatchObject({ status: 'suspended', version: 2 });
    expect(stored?.history).toMatchObject([
      { event: { type: 'UserCreated', name: 'Ada' }, version: 1 },
      { event: { type: 'UserSuspended' }, version: 2 },
    ]);
  });

  it('has clients, for all that a scenario has no words for', async () => {
    const ada = somebody();
    await service.given(ada).when(getUser, { userId: ada.id }).outcome();
    const { user } = await service.client(QueryService, { roles: ['admin'] }).getUser({ userId: ada.id });
    expect(user?.name).toBe('Ada');
  });

  it('says what a test asks for in vain', async () => {
    const ada = somebody();
    const rename = { userId: ada.id, name: 'Augusta' };
    const scenario = service.given(ada);
    await expect(
      scenario
        .as({ roles: ['king'] })
        .when(changeName, rename)
        .outcome(),
    ).rejects.toThrow('the service has no role king');
    await expect(
      scenario
        .as({ permissions: ['x'] })
        .when(changeName, rename)
        .outcome(),
    ).rejects.toThrow('name `roles`');
    await expect(scenario.at(new Date()).when(changeName, rename).outcome()).rejects.toThrow('a clock of its own');
    await expect(service.given(new Date()).when(changeName, rename).outcome()).rejects.toThrow('Date is none of the aggregates');
  });

  it('fails with the difference at the line of the test', async () => {
    const ada = somebody();
    const failure: unknown = await service
      .given(ada)
      .when(changeName, { userId: ada.id, name: 'Augusta' })
      .then({ type: 'UserNameChanged', name: 'Grace' })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ExpectationFailed);
    expect((failure as Error).message).toMatch(/^recorded other events than expected/);
    expect((failure as Error).stack?.split('\n').find((line) => line.includes(' at '))).toContain(
      'test-service.integration.test.ts',
    );
  });
});
