import type { Command } from 'commander';
import type { Environment } from '../../kernel/settings.ts';
import { withTrustOptions } from '../service-options.ts';
import type { TrustFiles } from '../trust.ts';

/** Adds the subcommands that prove the log whole, and that remove what is old. */
export function addSealCommands(audit: Command, environment: Environment): void {
  withTrustOptions(
    audit
      .command('verify')
      .description('Check every record of the log against its seal. Exits with 1 when a record was changed, removed or added.')
      .option('--head <file>', 'an earlier head, as `audit head` printed it: shows whether the end of the log was cut off since')
      .option('--json', 'print JSON'),
  ).action(async (options: TrustFiles & { head?: string; json?: true }) =>
    (await import('./verify.ts')).verifyIntegrity(environment, options),
  );

  withTrustOptions(
    audit
      .command('head')
      .description('Print the head of the log as JSON. Keep it where nobody can change it who can change the database.'),
  ).action(async (options: TrustFiles) => (await import('./head.ts')).printHead(environment, options));

  withTrustOptions(
    audit
      .command('prune')
      .description('Remove the records of whole months for good.')
      .requiredOption('--before <time>', 'months that end at or before this time: 2026-10-01, or 2026-10-01T00:00:00Z')
      .option('--json', 'print JSON'),
  ).action(async (options: TrustFiles & { before: string; json?: true }) =>
    (await import('./prune.ts')).pruneCommands(environment, options),
  );
}
