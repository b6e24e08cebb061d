import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { Answer } from '../../../../src/kernel/bus/answer.ts';
import { CommandAttempt } from '../../../../src/kernel/command-log/command-attempt.ts';
import { ChangeWithoutEvent } from '../../../../src/kernel/database/write/refused-changes.ts';
import type { UnitOfWork } from '../../../../src/kernel/database/write/unit-of-work.ts';
import { createWriteSide, type WriteSide } from '../../../../src/kernel/database/write/write-side.ts';
import type { User } from '../../../../src/modules/users/domain/user.ts';
import { UserType } from '../../../../src/modules/users/persistence/user-type.ts';
import { signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { callTo } from '../../middleware/test-call.ts';

/** What a method of an aggregate could do that forgets its event. */
type Forgetful = { _name: string; _roles: string[]; _updatedAt: Date };
const forgetful = (user: User): Forgetful => user as unknown as Forgetful;

let app: TestApp;
let side: WriteSide;
beforeAll(async () => {
  app = await startTestApp();
  side = await createWriteSide(app.database.connections.writer, [UserType], { poolSize: 2, ownerDigest: () => Buffer.alloc(0) });
});
afterAll(async () => {
  await side.close();
  await app.stop();
});

/** One command: `decide` has the unit of work, as a handler does. */
async function run(decide: (work: UnitOfWork) => Promise<unknown>): Promise<void> {
  const call = callTo(CommandService.method.changeName);
  const work = side.unitOfWork(call, 1);
  try {
    await decide(work);
    await work.commit(new CommandAttempt(call, { dryRun: false }).ending(new Answer(call.method, create(call.method.output))));
  } finally {
    await work.rollback();
  }
}

const load = async (work: UnitOfWork, id: string): Promise<User> => {
  const user = await work.find(UserType, id);
  if (!user) throw new Error('there is no such user');
  return user;
};
const stored = (id: string) => app.database.query('select name, roles, version, writes from users."user" where id = $1', [id]);

describe('a change without an event', () => {
  it.each([
    ['a value', (user: User) => Object.assign(user, { _name: 'Changed' }), '_name'],
    ['an array in its place', (user: User) => forgetful(user)._roles.push('admin'), '_roles'],
    ['a time', (user: User) => Object.assign(user, { _updatedAt: new Date(0) }), '_updatedAt'],
  ])('of %s fails, names the aggregate and the command, and stores nothing', async (_, change, property) => {
    const { id } = await signUp(app);
    const before = await stored(id);
    const failure = await run(async (work) => change(await load(work, id))).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ChangeWithoutEvent);
    expect((failure as Error).message).toContain(`ChangeName changed ${property} of users.v1.User ${id}`);
    expect(await stored(id)).toEqual(before);
  });

  it('of a new aggregate fails too', async () => {
    const { id } = await signUp(app);
    const failure = await run(async (work) => {
      const copy = Object.assign(Object.create(Object.getPrototypeOf(await load(work, id))), { ...(await load(work, id)) });
      work.add(UserType, Object.assign(copy, { _id: '01930000-0000-7000-8000-00000000000a', _events: undefined }));
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ChangeWithoutEvent);
  });

  it('fails beside an aggregate that did record one', async () => {
    const [one, other] = [await signUp(app), await signUp(app)];
    const failure = await run(async (work) => {
      (await load(work, one.id)).changeName('Recorded', { at: new Date() });
      forgetful(await load(work, other.id))._name = 'Forgotten';
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ChangeWithoutEvent);
    expect(await stored(one.id)).toMatchObject([{ name: one.name }]);
  });

  it('is not how a user is left that is loaded twice', async () => {
    const { id } = await signUp(app);
    await run(async (work) => {
      const user = await load(work, id);
      user.changeName('Changed once', { at: new Date() });
      expect(await load(work, id)).toBe(user);
      expect(user.name).toBe('Changed once');
    });
    expect(await stored(id)).toMatchObject([{ name: 'Changed once', writes: 2 }]);
  });

  it('is not what a change to what already is, is taken for', async () => {
    const { id, name } = await signUp(app);
    await run(async (work) => (await load(work, id)).changeName(name, { at: new Date() }));
    expect(await stored(id)).toMatchObject([{ writes: 1 }]);
  });
});
