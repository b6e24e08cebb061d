import type { AccessTokenIssuer } from '../../kernel/auth/access-token.ts';
import type { SessionLifetime } from '../../kernel/auth/session-lifetime.ts';
import { principalOf } from '../../kernel/bus/context-keys.ts';
import { defineModule, type Module } from '../../kernel/bus/module.ts';
import { networkOf } from '../../kernel/bus/network.ts';
import type { PageTokens } from '../../kernel/bus/page-token.ts';
import { rerunKey } from '../../kernel/bus/rerun.ts';
import type { guessTargets } from '../../kernel/database/limits/guesses.ts';
import { readerKey } from '../../kernel/database/read/reader.ts';
import { unitOfWorkKey } from '../../kernel/database/write/unit-of-work.ts';
import type { UsersContext } from './commands/context.ts';
import type { PasswordPolicy } from './domain/password-policy.ts';
import { recordedVerdicts } from './domain/recorded-verdicts.ts';
import { RECENT_LOG_IN_SECONDS } from './domain/session-errors.ts';
import { passwordGuesses } from './persistence/password-guesses.ts';
import type { PasswordHasher } from './persistence/password-hasher.ts';
import { replayedUsers } from './persistence/replayed-users.ts';
import { replayedSessions, sessionStore } from './persistence/session-store.ts';
import { userRepository } from './persistence/user-repository.ts';
import type { UsersQueryContext } from './queries/context.ts';
import { services } from './services.ts';

/** User accounts: people sign up, log in and keep their data; operators look after them. */
export function usersModule(parts: {
  passwords: PasswordHasher;
  passwordPolicy: PasswordPolicy;
  guessTarget: ReturnType<typeof guessTargets>;
  accessTokens: AccessTokenIssuer;
  pageTokens: PageTokens;
  sessionLifetime: SessionLifetime;
}): Module {
  const { passwords, passwordPolicy, guessTarget, accessTokens, pageTokens, sessionLifetime } = parts;
  return defineModule<UsersContext, UsersQueryContext>({
    name: 'users',
    services,
    commandContext: (call) => {
      const work = call.contextValues.get(unitOfWorkKey);
      if (!work) throw new Error('the pipeline has no unit of work');
      const verdict = call.contextValues.get(rerunKey);
      const issuer = verdict ? noTokens : accessTokens;
      const sessions = sessionStore(work, sessionLifetime);
      return {
        principal: principalOf(call),
        now: call.receivedAt,
        newId: call.newId,
        get signal() {
          return call.signal;
        },
        sessions: verdict ? replayedSessions(sessions, verdict) : sessions,
        users: verdict ? replayedUsers(work, verdict) : userRepository(work),
        ...(verdict
          ? recordedVerdicts(verdict.reason)
          : {
              passwords: passwords.forCaller(networkOf(call.origin.peer)),
              passwordPolicy,
              guesses: passwordGuesses(work, guessTarget),
              authenticatedRecently: isRecent(principalOf(call).authenticatedAt, call.receivedAt),
            }),
        issueToken: (user, token) =>
          issuer.issue({
            subject: user.id,
            roles: user.roles,
            sessionEpoch: user.sessionEpoch,
            now: call.receivedAt,
            ...token,
          }),
      };
    },
    queryContext: (call) => {
      const read = call.contextValues.get(readerKey);
      if (!read) throw new Error('the pipeline chose no database');
      return {
        principal: principalOf(call),
        get signal() {
          return call.signal;
        },
        read,
        pageTokens,
      };
    },
  });
}

/** A time to come, by the clock of another instance, is recent; one that is far off is none of ours. */
function isRecent(authenticatedAt: Date | undefined, now: Date): boolean {
  if (!authenticatedAt) return false;
  return Math.abs(now.getTime() - authenticatedAt.getTime()) <= RECENT_LOG_IN_SECONDS * 1000;
}

/** A log-in that is run again lets nobody in. */
const noTokens: AccessTokenIssuer = { issue: async ({ now }) => ({ token: '', expiresAt: now }) };
