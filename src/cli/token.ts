import { readConfig } from '../kernel/config.ts';
import type { Environment } from '../kernel/settings.ts';
import { localToken } from './local-token.ts';
import { duration } from './option-values.ts';
import type { ServiceProgram } from './program.ts';

/** A working day: no longer than a person may go without proving anew who they are (NIST SP 800-63B: 12 hours at AAL3). */
const LONGEST_TTL_MS = 12 * 60 * 60_000;

class UnknownRole extends Error {
  constructor(roles: readonly string[], known: readonly string[]) {
    super(`There is no role ${roles.join(', ')}. The roles are ${known.join(', ')}.`);
    this.name = 'UnknownRole';
  }
}

/** `bicameral token` */
export async function printToken(
  program: ServiceProgram,
  {
    environment,
    options,
  }: { environment: Environment; options: { role: string[]; subject: string; ttl: string; json?: boolean } },
): Promise<void> {
  const { application } = await program.load();
  const unknown = options.role.filter((role) => !Object.hasOwn(application.roles, role));
  if (unknown.length > 0) throw new UnknownRole(unknown, Object.keys(application.roles));
  const { name: issuer } = application;
  const { subject, role: roles } = options;
  const lifetimeMs = duration('--ttl', options.ttl, LONGEST_TTL_MS);
  const { token, expiresAt } = await localToken(readConfig(environment), { issuer, subject, roles, lifetimeMs });
  process.stdout.write(options.json ? `${JSON.stringify({ token, expiresAt })}\n` : `${token}\n`);
}
