import { randomUUIDv7 } from 'node:crypto';
import { type AccessToken, createAccessTokenIssuer } from '../kernel/auth/access-token.ts';
import { loadKeyRing } from '../kernel/auth/key-files.ts';
import type { Config } from '../kernel/config.ts';

interface LocalToken {
  /** The name of the service. */
  readonly issuer?: string | undefined;
  readonly subject?: string;
  readonly roles: readonly string[];
  readonly lifetimeMs?: number;
}

/** A token signed with the local key: whoever can read the key file is the operator. Throws SigningKeyUnusable. */
export async function localToken(
  { signingKeys }: Pick<Config, 'signingKeys'>,
  { issuer: name, subject = 'operator', roles, lifetimeMs }: LocalToken,
): Promise<AccessToken> {
  const issuer = createAccessTokenIssuer((await loadKeyRing(signingKeys)).current, name);
  return await issuer.issue({
    subject,
    roles,
    sessionEpoch: 1,
    now: new Date(),
    id: randomUUIDv7(),
    ...(lifetimeMs !== undefined && { lifetimeMs }),
  });
}
