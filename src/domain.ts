import { createRegistry, type Registry } from '@bufbuild/protobuf';
import { dictionary } from '@zxcvbn-ts/language-common';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import { createAccessTokenIssuer, OWN_ISSUER } from './kernel/auth/access-token.ts';
import type { KeyRing } from './kernel/auth/key-ring.ts';
import type { Keys } from './kernel/auth/open-keys.ts';
import type { SessionLifetime } from './kernel/auth/session-lifetime.ts';
import type { Module } from './kernel/bus/module.ts';
import { createPageTokens, type PageTokens } from './kernel/bus/page-token.ts';
import { guessTargets } from './kernel/database/limits/guesses.ts';
import type { AggregateType } from './kernel/database/write/aggregate-type.ts';
import { hashingSpan } from './kernel/telemetry/hashing-span.ts';
import { createGuessEstimate } from './modules/users/domain/common-passwords.ts';
import { createPasswordPolicy } from './modules/users/domain/password-policy.ts';
import { usersModule } from './modules/users/module.ts';
import { createPasswordHasher, type PasswordHasher } from './modules/users/persistence/password-hasher.ts';
import { UserType } from './modules/users/persistence/user-type.ts';

/** What the program is about: the modules that have aggregates. Who has these can serve commands, or run recorded ones again. */
export interface Domain {
  readonly modules: readonly Module[];
  readonly aggregateTypes: readonly AggregateType<object>[];
  /** The types of all events that are stored. */
  readonly eventTypes: Registry;
  readonly passwords: PasswordHasher;
}

/** `processes` share the machine, and each hashes its part of the passwords. `passwordWords` are known to whoever guesses at these. */
export async function createDomain(
  { ring, digestKey }: Pick<Keys, 'ring' | 'digestKey'>,
  {
    processes = 1,
    passwordWords = [],
    sessionLifetime,
  }: { processes?: number; passwordWords?: readonly string[]; sessionLifetime: SessionLifetime },
): Promise<Domain> {
  const passwords = await createPasswordHasher({ processes, watch: hashingSpan });
  return {
    modules: [
      usersModule({
        passwords,
        guessTarget: guessTargets(digestKey('guesses')),
        passwordPolicy: createPasswordPolicy(createGuessEstimate(dictionary['passwords-common'], [OWN_ISSUER, ...passwordWords])),
        accessTokens: createAccessTokenIssuer(ring.current),
        pageTokens: pageTokensOf(ring),
        sessionLifetime,
      }),
    ],
    aggregateTypes: [UserType],
    eventTypes: createRegistry(file_users_v1_events),
    passwords,
  };
}

/** Page tokens are made with the current key, and those of the others are read. */
export function pageTokensOf({ current, active }: KeyRing): PageTokens {
  const others = active.filter((key) => key !== current);
  return createPageTokens(
    current.deriveKey('page tokens'),
    others.map(({ deriveKey }) => deriveKey('page tokens')),
  );
}
