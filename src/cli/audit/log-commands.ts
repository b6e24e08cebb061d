import type { Command } from 'commander';
import type { Environment } from '../../kernel/settings.ts';
import { withTrustOptions } from '../service-options.ts';
import type { ListOptions } from './list.ts';
import type { WatchOptions } from './watch.ts';

/** Adds the subcommands that read the log. */
export function addLogCommands(audit: Command, environment: Environment): void {
  withTrustOptions(
    audit
      .command('list')
      .description('Print the newest records of commands.')
      .option('--actor <id>', 'the id of the caller')
      .option('--method <name>', 'e.g. users.v1.CommandService/ChangeEmail')
      .option('--target <id>', 'the id of the changed aggregate')
      .option('--outcome <outcome>', 'e.g. succeeded, rejected, denied, failed')
      .option('--from <time>', 'received at this time or later: 2026-11-24, or 2026-11-24T10:30:00Z')
      .option('--to <time>', 'received before this time')
      .option('--correlation <id>', 'the first command of a chain: it, and the commands that its events led to')
      .option('--limit <n>', 'the most records to print', '50')
      .option('--json', 'print JSON, one record a line'),
  ).action(async (options: ListOptions) => (await import('./list.ts')).listCommands(environment, options));

  withTrustOptions(
    audit
      .command('watch')
      .description('Print records as they come, in the order of the log, until interrupted.')
      .option('--after <sequence>', 'begin behind this place in the log; 0 is its beginning (default: print new records only)')
      .option('--json', 'print JSON, one record a line'),
  ).action(async (options: WatchOptions) => (await import('./watch.ts')).watchCommands(environment, options));
}
