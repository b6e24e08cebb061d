import { forgetKey } from '../../kernel/auth/known-keys.ts';
import { readConfig } from '../../kernel/config.ts';
import { migrate } from '../../kernel/database/migrate.ts';
import { openDatabase } from '../../kernel/database/open-database.ts';
import type { Environment } from '../../kernel/settings.ts';
import { applicationOf, type ServiceProgram } from '../program.ts';
import { createConsoleProgress } from '../progress.ts';

/** The database was not used with the key. */
class KeyUnknown extends Error {
  constructor(keyId: string) {
    super(`The database was never used with a signing key ${keyId}, or the key was given up before.`);
    this.name = 'KeyUnknown';
  }
}

/** `bicameral keys forget` */
export async function forget(
  program: ServiceProgram,
  { environment, keyId }: { environment: Environment; keyId: string },
): Promise<void> {
  const application = await applicationOf(program);
  const opened = await openDatabase(readConfig(environment).database, {
    service: application.name,
    onProgress: createConsoleProgress(),
  });
  try {
    await migrate(opened.connections.owner, application.modules);
    if (!(await forgetKey(opened.connections.owner, keyId))) throw new KeyUnknown(keyId);
    process.stdout.write(
      `${keyId} is given up: the service starts without it, and \`audit verify\` names what the key sealed.\n`,
    );
  } finally {
    await opened.close();
  }
}
