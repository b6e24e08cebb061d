import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FoundSession, RefreshToken } from '../../../src/modules/users/domain/sessions.ts';
import { User } from '../../../src/modules/users/domain/user.ts';
import { TEST_TIME } from '../../../src/testing/index.ts';
import { createTestDatabase } from '../../support/database.ts';
import { meeting } from '../../testing/contract/meeting.ts';
import { memoryStore, postgresStore, type Store } from '../../testing/contract/stores.ts';
import { LIFETIME } from './memory/sessions.ts';
import { userUniques } from './memory/users.ts';

const at = TEST_TIME;
const later = (ms: number): Date => new Date(at.getTime() + ms);

const newUser = (): User =>
  User.create({ id: randomUUID(), email: `${randomUUID()}@example.org`, name: 'Ada', passwordHash: 'hash', at });

describe.each([
  ['memory', memoryStore],
  ['PostgreSQL', postgresStore],
])('users and sessions on %s', (_, start) => {
  let store: Store;
  beforeAll(async () => {
    store = await start();
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
  });

  async function stored(...history: ((user: User) => unknown)[]): Promise<User> {
    const user = newUser();
    for (const happen of history) happen(user);
    await store.run(async ({ users }) => users.add(user));
    return user;
  }
  const isAdmin = (user: User): unknown => user.grantRole('admin', { at });

  it('tell whether an address is held, in any case', async () => {
    const { email } = await stored();
    const holds = (address: string) => store.run(({ users }) => users.holdsEmail(address));
    expect([await holds(email), await holds(email.toUpperCase()), await holds(`x${email}`)]).toEqual([true, true, false]);
  });

  it('tell the stored password by the address in any case, or by the id', async () => {
    const user = await stored();
    const expected = { userId: user.id, hash: 'hash', email: user.email, name: 'Ada' };
    expect(await store.run(({ users }) => users.storedPassword({ email: user.email.toUpperCase() }))).toEqual(expected);
    expect(await store.run(({ users }) => users.storedPassword({ userId: user.id }))).toEqual(expected);
  });

  it('tell no password of somebody who is deleted, or does not exist', async () => {
    const { id } = await stored((user) => user.delete({ at }));
    expect(await store.run(({ users }) => users.storedPassword({ userId: id }))).toBeUndefined();
    expect(await store.run(({ users }) => users.storedPassword({ userId: randomUUID() }))).toBeUndefined();
    expect(await store.run(({ users }) => users.storedPassword({ email: '' }))).toBeUndefined();
  });

  it('count active admins besides one, and make commands that ask at once wait for each other', async () => {
    const [one, other] = [await stored(isAdmin), await stored(isAdmin)];
    await stored(isAdmin, (user) => user.suspend('spam', { at }));
    const besides = (id: string) => store.run(({ users }) => users.hasActiveAdminBesides(id));
    expect([await besides(one.id), await besides(randomUUID())]).toEqual([true, true]);

    /** As SuspendUser does, with the tries that the retry gives it. */
    const suspend = async (id: string): Promise<boolean> => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await store.run(async ({ users }) => {
            const user = await users.find(id);
            if (!(await users.hasActiveAdminBesides(id))) return false;
            user?.suspend('spam', { at });
            return true;
          }, attempt);
        } catch (error) {
          if (attempt === 10) throw error;
        }
      }
    };
    const outcomes = await Promise.all([suspend(one.id), suspend(other.id)]);
    expect(outcomes.toSorted()).toEqual([false, true]);
  });

  /** A session that a user began, and its first refresh token. */
  async function begun(): Promise<{ user: User; id: string; refreshToken: string; expiresAt: Date }> {
    const user = await stored();
    const id = randomUUID();
    const token = await store.run(({ sessions }) => sessions.begin({ id, userId: user.id, epoch: 1, authenticatedAt: at }));
    return { user, id, ...token };
  }
  const find = (refreshToken: string, now = at) => store.run(({ sessions }) => sessions.find(refreshToken, now));
  const rotate = (refreshToken: string, user: User, now = at) =>
    store.run(async ({ sessions }): Promise<RefreshToken | undefined> => {
      const found = await sessions.find(refreshToken, now);
      return 'problem' in found ? undefined : sessions.rotate(found, user, now);
    });

  it('find a session by its refresh token', async () => {
    const { user, id, refreshToken, expiresAt } = await begun();
    expect(await find(refreshToken)).toMatchObject({ id, userId: user.id, epoch: 1, authenticatedAt: at });
    expect(expiresAt).toEqual(later(LIFETIME.idleMs));
    expect(await find('nobody made it')).toEqual({ problem: 'UNKNOWN' });
  });

  it('keep no session of a command that was refused', async () => {
    const user = await stored();
    let token: RefreshToken | undefined;
    const refused = store.run(async ({ sessions }) => {
      token = await sessions.begin({ id: randomUUID(), userId: user.id, epoch: 1, authenticatedAt: at });
      throw new Error('refused');
    });
    await expect(refused).rejects.toThrow('refused');
    expect(await find(token?.refreshToken ?? '')).toEqual({ problem: 'UNKNOWN' });
  });

  it('end the time of a session that is not used, and of one that lasts too long', async () => {
    const { user, refreshToken } = await begun();
    expect(await find(refreshToken, later(LIFETIME.idleMs))).toEqual({ problem: 'EXPIRED' });
    let token = refreshToken;
    let now = at;
    for (const week of [1, 2, 3, 4]) {
      now = later(week * LIFETIME.idleMs - week);
      token = (await rotate(token, user, now))?.refreshToken ?? '';
    }
    expect(await find(token, later(LIFETIME.maxMs - 1))).toMatchObject({ userId: user.id });
    expect(await find(token, later(LIFETIME.maxMs))).toEqual({ problem: 'EXPIRED' });
  });

  it('take each refresh token once, and end a session whose token comes again', async () => {
    const { user, id, refreshToken } = await begun();
    const next = await rotate(refreshToken, user);
    expect(await find(next?.refreshToken ?? '')).toMatchObject({ id });
    expect(await find(refreshToken)).toEqual({ problem: 'REUSED' });
    expect(await find(next?.refreshToken ?? '')).toEqual({ problem: 'UNKNOWN' });
  });

  it('go on at the epoch that the user has by then', async () => {
    const { user, refreshToken } = await begun();
    user.endSessions('');
    const next = await rotate(refreshToken, user);
    expect(await find(next?.refreshToken ?? '')).toMatchObject({ epoch: user.sessionEpoch });
  });

  it('give the next refresh token to one of two who show one at once', async () => {
    const { user, id, refreshToken } = await begun();
    const meet = meeting(2);
    const atOnce = (): Promise<RefreshToken | undefined> =>
      store.run(async ({ sessions }) => {
        const found = (await sessions.find(refreshToken, at)) as FoundSession;
        expect(found.id).toBe(id);
        await meet();
        return sessions.rotate(found, user, at);
      });
    const outcomes = await Promise.allSettled([atOnce(), atOnce()]);
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value !== undefined)).toHaveLength(1);
  });

  it('end one session alone', async () => {
    const [one, other] = [await begun(), await begun()];
    await store.run(({ sessions }) => sessions.end({ id: one.id, userId: one.user.id }));
    expect(await find(one.refreshToken)).toEqual({ problem: 'UNKNOWN' });
    expect(await find(other.refreshToken)).toMatchObject({ id: other.id });
  });
});

describe('memory', () => {
  it('knows every unique index of the table of users', async () => {
    const database = await createTestDatabase();
    const indexes = await database.query<{ name: string }>(
      `select indexrelid::regclass::text as name from pg_index
       where indrelid = 'users."user"'::regclass and indisunique and not indisprimary`,
    );
    await database.drop();
    expect(indexes.map(({ name }) => name.split('.').at(-1))).toEqual(userUniques.map(({ constraint }) => constraint));
  });
});
