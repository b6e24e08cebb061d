import { readDatabaseConfig } from '../kernel/config/database.ts';
import { migrate } from '../kernel/database/migrate.ts';
import { openDatabase } from '../kernel/database/open-database.ts';
import type { Environment } from '../kernel/settings.ts';
import { applicationOf, type ServiceProgram } from './program.ts';
import { createConsoleProgress } from './progress.ts';

/** `bicameral migrate` */
export async function migrateDatabase(
  program: ServiceProgram,
  { environment, options: { json = false } }: { environment: Environment; options: { json?: boolean } },
): Promise<void> {
  const application = await applicationOf(program);
  const database = readDatabaseConfig(environment);
  const onProgress = createConsoleProgress();
  const opened = await openDatabase(database, { service: application.name, onProgress });
  try {
    const names = await migrate(opened.connections.owner, application.modules, { onProgress });
    if (json) process.stdout.write(`${JSON.stringify({ migrations: names })}\n`);
    else if (names.length === 0) process.stdout.write('The schema is up to date.\n');
    else
      process.stdout.write(
        `Ran ${names.length} ${names.length === 1 ? 'migration' : 'migrations'}:\n${names.map((name) => `  ${name}\n`).join('')}`,
      );
  } finally {
    await opened.close();
  }
}
