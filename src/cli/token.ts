import { randomUUIDv7 } from 'node:crypto';
import { createAccessTokenIssuer } from '../auth/access-token.ts';
import { ROLES } from '../auth/roles.ts';
import { loadSigningKey } from '../auth/signing-key.ts';
import { type Environment, readConfig } from '../config.ts';

class UnknownRole extends Error {
  constructor(roles: readonly string[]) {
    super(`There is no role ${roles.join(', ')}. Roles are ${Object.keys(ROLES).join(', ')}.`);
    this.name = 'UnknownRole';
  }
}

/** `bicameral token` */
export async function printToken(
  environment: Environment,
  options: { role: string[]; subject: string; json?: boolean },
): Promise<void> {
  const unknown = options.role.filter((role) => !(role in ROLES));
  if (unknown.length > 0) throw new UnknownRole(unknown);
  const { signingKey } = readConfig(environment);
  const issuer = createAccessTokenIssuer(await loadSigningKey(signingKey.file));
  const claims = { subject: options.subject, roles: options.role, sessionEpoch: 1, now: new Date(), id: randomUUIDv7() };
  const { token, expiresAt } = await issuer.issue(claims);
  process.stdout.write(options.json ? `${JSON.stringify({ token, expiresAt })}\n` : `${token}\n`);
}
