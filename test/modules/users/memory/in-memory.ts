import type { UsersContext } from '../../../../src/modules/users/commands/context.ts';
import { RECENT_LOG_IN_SECONDS } from '../../../../src/modules/users/domain/session-errors.ts';
import { users } from '../../../../src/modules/users/module.ts';
import { roles } from '../../../../src/roles.ts';
import { type InMemory, inMemory } from '../../../../src/testing/index.ts';
import { memoryPasswords, passwordPolicy } from './passwords.ts';
import { memorySessions } from './sessions.ts';
import { memoryUsers, userUniques } from './users.ts';

/** The commands of users in memory, with the guesses that they forgot. */
export interface UsersInMemory extends InMemory {
  /** `guesses of <id>`, `clients of <id>`. */
  readonly forgotten: readonly string[];
}

export function usersInMemory(): UsersInMemory {
  const forgotten: string[] = [];
  const { given } = inMemory<UsersContext>(users, {
    uniques: userUniques,
    commandContext: (base, { work }) => ({
      users: memoryUsers(work),
      roles: Object.keys(roles),
      sessions: memorySessions(work),
      passwords: memoryPasswords,
      passwordPolicy,
      guesses: {
        forget: async ({ id }) => {
          forgotten.push(`guesses of ${id}`);
        },
        forgetClients: async ({ id }) => {
          forgotten.push(`clients of ${id}`);
        },
      },
      authenticatedRecently: isRecent(base.principal.authenticatedAt, base.now),
      issueToken: async (user, { session }) => ({
        token: `access of ${user.id} in ${session}`,
        expiresAt: new Date(base.now.getTime() + 3_600_000),
      }),
    }),
  });
  return { given, forgotten };
}

const isRecent = (time: Date | undefined, now: Date): boolean =>
  time !== undefined && now.getTime() - time.getTime() <= RECENT_LOG_IN_SECONDS * 1000;
