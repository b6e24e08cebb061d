import { randomUUIDv7 } from 'node:crypto';
import { type AccessToken, createAccessTokenIssuer } from '../kernel/auth/access-token.ts';
import { loadKeyRing } from '../kernel/auth/key-files.ts';
import type { Config } from '../kernel/config.ts';

/** A token signed with the local key: whoever can read the key file is the operator. Throws SigningKeyUnusable. */
export async function localToken(
  { signingKeys }: Pick<Config, 'signingKeys'>,
  { subject = 'operator', roles, lifetimeMs }: { subject?: string; roles: readonly string[]; lifetimeMs?: number },
): Promise<AccessToken> {
  const issuer = createAccessTokenIssuer((await loadKeyRing(signingKeys)).current);
  return await issuer.issue({
    subject,
    roles,
    sessionEpoch: 1,
    now: new Date(),
    id: randomUUIDv7(),
    ...(lifetimeMs !== undefined && { lifetimeMs }),
  });
}
