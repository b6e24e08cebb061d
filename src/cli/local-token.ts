import { randomUUIDv7 } from 'node:crypto';
import { type AccessToken, createAccessTokenIssuer } from '../auth/access-token.ts';
import { loadSigningKey } from '../auth/signing-key.ts';
import type { Config } from '../config.ts';

/** A token signed with the local key: whoever can read the key file is the operator. Throws SigningKeyUnusable. */
export async function localToken(
  { signingKey }: Pick<Config, 'signingKey'>,
  { subject = 'operator', roles }: { subject?: string; roles: readonly string[] },
): Promise<AccessToken> {
  const issuer = createAccessTokenIssuer(await loadSigningKey(signingKey.file));
  return await issuer.issue({ subject, roles, sessionEpoch: 1, now: new Date(), id: randomUUIDv7() });
}
