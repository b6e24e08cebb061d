import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { User } from '../../../../src/modules/users/domain/user.ts';
import { UserDeleted, UserSuspended, VersionMismatch } from '../../../../src/modules/users/domain/user-errors.ts';

const born = new Date('2026-01-01T00:00:00Z');
const later = new Date('2026-01-02T00:00:00Z');

const created = (): User => User.create({ id: 'u1', email: 'ada@example.org', name: 'Ada', passwordHash: 'hash', at: born });

/** A user as loaded: what was recorded before is not recorded again, and the constructor is not called. */
function loaded(user: User): User {
  const fields = { ...user, _events: undefined, _changed: undefined };
  return Object.assign(Object.create(User.prototype), fields);
}

const typesOf = (user: User): string[] => user.recordedEvents.map(({ type }) => type);

describe('a new user', () => {
  it('is active, at version 1, with the fact recorded', () => {
    const user = created();
    expect(user).toMatchObject({ status: 'active', version: 1, roles: [], sessionEpoch: 1, createdAt: born, updatedAt: born });
    expect(user.recordedEvents).toEqual([{ type: 'UserCreated', email: 'ada@example.org', name: 'Ada' }]);
  });
});

describe('a change', () => {
  it('raises the version once, however much one command changes', () => {
    const user = loaded(created());
    user.changeName('Augusta', { at: later });
    user.grantRole('auditor', { at: later });
    expect(user).toMatchObject({ version: 2, updatedAt: later });
    expect(typesOf(user)).toEqual(['UserNameChanged', 'UserRoleGranted']);
  });

  it.each([
    ['the same name', (user: User) => user.changeName('Ada', { at: later })],
    ['the same e-mail', (user: User) => user.changeEmail('ada@example.org', { at: later })],
    ['a role that is not held', (user: User) => user.revokeRole('admin', { at: later })],
    ['reactivation while active', (user: User) => user.reactivate('why not', { at: later })],
  ])('to %s is none', (_, act) => {
    const user = loaded(created());
    expect(act(user).isOk()).toBe(true);
    expect(user).toMatchObject({ version: 1, updatedAt: born, sessionEpoch: 1 });
    expect(user.recordedEvents).toEqual([]);
  });

  it('is refused at another version than the expected one, and 0 is a version', () => {
    for (const expectedVersion of [0n, 2n]) {
      const user = loaded(created());
      const refusal = user.changeName('Augusta', { at: later, expectedVersion })._unsafeUnwrapErr();
      expect(refusal).toBeInstanceOf(VersionMismatch);
      expect(refusal.metadata).toEqual({ current_version: '1' });
      expect(user).toMatchObject({ name: 'Ada', version: 1 });
    }
    expect(loaded(created()).changeName('Augusta', { at: later, expectedVersion: 1n }).isOk()).toBe(true);
  });
});

describe('a log-in', () => {
  it('is noted without raising the version', () => {
    const user = loaded(created());
    expect(user.logIn(later).isOk()).toBe(true);
    expect(user).toMatchObject({ version: 1, lastLoginAt: later, updatedAt: born, passwordHash: 'hash' });
    expect(typesOf(user)).toEqual(['UserLoggedIn']);
  });

  it('keeps the stronger hash when there is one', () => {
    const user = loaded(created());
    user.logIn(later, 'stronger');
    expect(user.passwordHash).toBe('stronger');
  });

  it('is refused while suspended and once deleted', () => {
    const suspended = loaded(created());
    suspended.suspend('spam', { at: later });
    expect(suspended.logIn(later)._unsafeUnwrapErr()).toBeInstanceOf(UserSuspended);
    const deleted = loaded(created());
    deleted.delete({ at: later });
    expect(deleted.logIn(later)._unsafeUnwrapErr()).toBeInstanceOf(UserDeleted);
  });
});

describe('sessions', () => {
  it.each([
    ['a suspension', (user: User) => user.suspend('spam', { at: later })],
    ['a deletion', (user: User) => user.delete({ at: later })],
    ['a new password', (user: User) => user.changePassword('new hash', 'session', { at: later })],
    ['the loss of a role', (user: User) => user.revokeRole('auditor', { at: later })],
  ])('end with %s', (_, act) => {
    const user = created();
    user.grantRole('auditor', { at: born });
    const before = user.sessionEpoch;
    expect(act(user).isOk()).toBe(true);
    expect(user.sessionEpoch).toBe(before + 1);
  });
});

describe('a deleted user', () => {
  it('holds nothing personal and takes no change', () => {
    const user = loaded(created());
    user.delete({ at: later });
    expect(JSON.stringify({ ...user, _events: undefined })).not.toMatch(/ada/i);
    expect(user.passwordHash).toBeUndefined();
    for (const attempt of [
      user.changeName('x', { at: later }),
      user.delete({ at: later }),
      user.grantRole('admin', { at: later }),
    ]) {
      expect(attempt._unsafeUnwrapErr()).toBeInstanceOf(UserDeleted);
    }
  });
});

describe('any history', () => {
  it('raises the version by at most one a command, exactly when a fact other than a log-in is recorded', () => {
    const commands = fc.oneof(
      fc.record({ do: fc.constant('name' as const), value: fc.constantFrom('Ada', 'Grace') }),
      fc.record({ do: fc.constant('email' as const), value: fc.constantFrom('a@b.c', 'd@e.f') }),
      fc.record({ do: fc.constantFrom('grant' as const, 'revoke' as const), value: fc.constantFrom('admin', 'auditor') }),
      fc.record({
        do: fc.constantFrom('suspend' as const, 'reactivate' as const, 'login' as const, 'delete' as const),
        value: fc.constant('r'),
      }),
    );
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 25 }), (history) => {
        let user = loaded(created());
        for (const step of history) {
          const before = user.version;
          const change = { at: later };
          const act = {
            name: () => user.changeName(step.value, change),
            email: () => user.changeEmail(step.value, change),
            grant: () => user.grantRole(step.value, change),
            revoke: () => user.revokeRole(step.value, change),
            suspend: () => user.suspend(step.value, change),
            reactivate: () => user.reactivate(step.value, change),
            login: () => user.logIn(later),
            delete: () => user.delete(change),
          }[step.do];
          const result = act();
          const changes = typesOf(user).filter((type) => type !== 'UserLoggedIn').length;
          expect(user.version - before).toBe(changes > 0 ? 1 : 0);
          if (result.isErr()) expect(user.recordedEvents).toEqual([]);
          user = loaded(user);
        }
      }),
    );
  });
});
