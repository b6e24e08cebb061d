import { dictionary } from '@zxcvbn-ts/language-common';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import { type AccessTokenIssuer, createAccessTokenIssuer } from '../../kernel/auth/access-token.ts';
import { networkOf } from '../../kernel/bus/network.ts';
import { rerunKey } from '../../kernel/bus/rerun.ts';
import { liveQuery } from '../../kernel/feed/watching/live-query.ts';
import { defineModule } from '../../kernel/module.ts';
import { createGuessEstimate } from './domain/common-passwords.ts';
import { createPasswordPolicy } from './domain/password-policy.ts';
import { recordedVerdicts } from './domain/recorded-verdicts.ts';
import { RECENT_LOG_IN_SECONDS } from './domain/session-errors.ts';
import { migrations } from './migrations.ts';
import { passwordGuesses } from './persistence/password-guesses.ts';
import { createPasswordHasher } from './persistence/password-hasher.ts';
import { replayedUsers } from './persistence/replayed-users.ts';
import { replayedSessions, sessionStore, sweepSessions } from './persistence/session-store.ts';
import { userRepository } from './persistence/user-repository.ts';
import { UserType } from './persistence/user-type.ts';
import { userStatistics } from './projections/user-statistics.ts';
import { UserSamples } from './read-model/user-sample.ts';
import { watchedUsers } from './read-model/watched-users.ts';
import { services } from './services.ts';
import { createAccounts } from './sessions/accounts.ts';
import { readEndedSessions } from './sessions/ended-sessions.ts';
import { REMEMBERED_MS, startEndedSessionWatch } from './sessions/session-watch.ts';
import { usersSettings } from './settings.ts';

/**
 * User accounts: people sign up, log in and keep their data; operators look after them.
 *
 * ```ts
 * export const application: Application = { name: 'shop', modules: [users, audit, orders], roles };
 * ```
 */
export const users = defineModule({
  name: 'users',
  services,
  permissions: {
    'users.read': 'Read every user',
    'users.write': 'Change every user',
    'users.admin': 'Grant roles, suspend and delete users',
  },
  aggregates: [UserType],
  events: [file_users_v1_events],
  projections: [userStatistics],
  migrations,
  settings: usersSettings,
  start: async (host, { passwordWords, sessionLifetime }) => {
    const { logger, now, databases, keys } = host;
    const ended = startEndedSessionWatch({ read: readEndedSessions(databases.watching), logger, now });
    host.onStop('ended session watch', ended.stop);
    await ended.refresh();
    host.sweep('sessions', (pool) => sweepSessions(pool, { ...sessionLifetime, rememberedMs: REMEMBERED_MS }));
    const common = createGuessEstimate(dictionary['passwords-common'], [host.service, ...passwordWords]);
    return {
      sessions: { ...ended, ...createAccounts({ primary: databases.watching, sessions: ended, now }) },
      passwords: await createPasswordHasher(host.secrets),
      passwordPolicy: createPasswordPolicy(common),
      roles: host.roles,
      guessTarget: host.guessTarget,
      accessTokens: createAccessTokenIssuer(keys.ring.current, host.service),
      pageTokens: keys.pageTokens,
      userSamples: new UserSamples(),
      eventTypes: host.eventTypes,
      liveUsers: liveQuery(watchedUsers, { news: host.news, pageTokens: keys.pageTokens }),
      sessionLifetime,
    };
  },
  sessions: ({ sessions }) => sessions,
  commandContext: (base, { work, call, parts }) => {
    const verdict = call.contextValues.get(rerunKey);
    const issuer = verdict ? noTokens : parts.accessTokens;
    const sessions = sessionStore(work, parts.sessionLifetime);
    return {
      sessions: verdict ? replayedSessions(sessions, verdict) : sessions,
      roles: parts.roles,
      users: verdict ? replayedUsers(work, verdict) : userRepository(work),
      ...(verdict
        ? recordedVerdicts(verdict.reason)
        : {
            passwords: parts.passwords.forCaller(networkOf(call.origin.peer)),
            passwordPolicy: parts.passwordPolicy,
            guesses: passwordGuesses(work, parts.guessTarget),
            authenticatedRecently: isRecent(base.principal.authenticatedAt, base.now),
          }),
      issueToken: (user, token) =>
        issuer.issue({ subject: user.id, roles: user.roles, sessionEpoch: user.sessionEpoch, now: base.now, ...token }),
    };
  },
  queryContext: (_, { read, parts: { pageTokens, userSamples, eventTypes, liveUsers } }) => ({
    read,
    pageTokens,
    userSamples,
    eventTypes,
    liveUsers,
  }),
});

/** A time to come, by the clock of another instance, is recent; one that is far off is none of ours. */
function isRecent(authenticatedAt: Date | undefined, now: Date): boolean {
  if (!authenticatedAt) return false;
  return Math.abs(now.getTime() - authenticatedAt.getTime()) <= RECENT_LOG_IN_SECONDS * 1000;
}

/** A log-in that is run again lets nobody in. */
const noTokens: AccessTokenIssuer = { issue: async ({ now }) => ({ token: '', expiresAt: now }) };
