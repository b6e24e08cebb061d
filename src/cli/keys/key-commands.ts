import type { Command } from 'commander';
import type { Environment } from '../../kernel/settings.ts';
import type { ServiceProgram } from '../program.ts';

/** Adds the subcommands that look after the signing keys. */
export function addKeyCommands(
  program: Command,
  { service, environment }: { service: ServiceProgram; environment: Environment },
): void {
  const keys = program
    .command('keys')
    .description('Manage the signing keys: one signs, all verify.')
    .addHelpText(
      'after',
      '\nThe keys are in AUTH_SIGNING_KEYS, or else in DATA_DIR. Running instances use a change after a restart.',
    );

  keys
    .command('list')
    .description('List the keys and the use of each.')
    .option('--json', 'print JSON')
    .action(async (options: { json?: true }) => (await import('./list.ts')).listKeys(environment, options));

  keys
    .command('prepare')
    .description('Make the key that will sign next. Instances that have it accept its tokens.')
    .action(async () => (await import('./rotate.ts')).prepare(environment));

  keys
    .command('rotate')
    .description('Let the prepared key sign. The previous key verifies from then on.')
    .option('--unprepared', 'make the new key now; only when no second instance runs meanwhile (always so without DATABASE_URL)')
    .action(async (options: { unprepared?: true }) => (await import('./rotate.ts')).rotate(environment, options));

  // An id can begin with a hyphen.
  keys
    .command('retire <id>')
    .allowUnknownOption()
    .description('Keep only the public half of a key that no longer signs. It verifies seals and nothing else.')
    .action(async (id: string) => (await import('./rotate.ts')).retire(environment, id));

  keys
    .command('forget <id>')
    .allowUnknownOption()
    .description(
      'Give up a key that is lost for good, so that the service starts without it. Its seals can no longer be verified.',
    )
    .addHelpText(
      'after',
      '\nChanges the database, by DATABASE_OWNER_URL or else DATABASE_URL. Without DATABASE_URL, stop the service first.',
    )
    .action(async (id: string) => (await import('./forget.ts')).forget(service, { environment, keyId: id }));
}
