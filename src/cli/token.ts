import { ROLES } from '../auth/roles.ts';
import { type Environment, readConfig } from '../config.ts';
import { localToken } from './local-token.ts';

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
  const { subject, role: roles } = options;
  const { token, expiresAt } = await localToken(readConfig(environment), { subject, roles });
  process.stdout.write(options.json ? `${JSON.stringify({ token, expiresAt })}\n` : `${token}\n`);
}
