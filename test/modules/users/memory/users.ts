import type { Users } from '../../../../src/modules/users/domain/users.ts';
import { UserType } from '../../../../src/modules/users/persistence/user-type.ts';
import type { MemoryUnitOfWork, Unique } from '../../../../src/testing/index.ts';
import { unique } from '../../../../src/testing/index.ts';

const sameAddress = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** The users, kept in memory. */
export function memoryUsers(work: MemoryUnitOfWork): Users {
  return {
    find: (id) => work.find(UserType, id),
    add: (user) => work.add(UserType, user),

    async storedPassword(by) {
      const users = await work.all(UserType);
      const user = users.find((user) => ('email' in by ? sameAddress(user.email, by.email) : sameAddress(user.id, by.userId)));
      return user?.passwordHash ? { userId: user.id, hash: user.passwordHash, email: user.email, name: user.name } : undefined;
    },

    async holdsEmail(email) {
      const users = await work.all(UserType);
      return users.some((user) => sameAddress(user.email, email));
    },

    async hasActiveAdminBesides(id) {
      const users = await work.all(UserType, { forUpdate: true });
      return users.some((user) => user.isActiveAdmin && user.id !== id);
    },
  };
}

/** What users.user has an index for. */
export const userUniques: readonly Unique[] = [
  unique(UserType, 'user_email_key', ({ email }) => email.toLowerCase() || undefined),
];
