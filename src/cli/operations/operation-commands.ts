import type { Command } from 'commander';
import type { Environment } from '../../kernel/settings.ts';
import { withTrustOptions } from '../service-options.ts';
import type { TrustFiles } from '../trust.ts';
import type { ListDeadLettersOptions, RetryOptions } from './dead-letters.ts';
import type { RebuildOptions } from './rebuild.ts';
import type { ListTimersOptions, RetryTimersOptions } from './timers.ts';

type Plain = TrustFiles & { readonly json?: true };

/** Adds the subcommands by which operators steer what reads the feed. */
export function addOperationCommands(program: Command, environment: Environment): void {
  addProjectionCommands(
    program
      .command('projection')
      .description('See, pause, rebuild and verify the projections of a running service.')
      .addHelpText('after', CALLS),
    environment,
  );
  addReactorCommands(
    program.command('reactor').description('Pause and resume the reactors of a running service.').addHelpText('after', CALLS),
    environment,
  );
  addDeadLetterCommands(
    program
      .command('dead-letters')
      .description('See, retry and discard events that could not be handled.')
      .addHelpText('after', CALLS),
    environment,
  );
  addTimerCommands(
    program.command('timers').description('See, retry and cancel commands that are sent later.').addHelpText('after', CALLS),
    environment,
  );
}

const CALLS = '\nCalls a running service at GRPC_ADDRESS.';

function addProjectionCommands(projection: Command, environment: Environment): void {
  withTrustOptions(
    projection
      .command('list')
      .description('Print every projection, with its tables and its newest rebuild.')
      .option('--json', 'print JSON, one projection a line'),
  ).action(async (options: Plain) => (await import('./projections.ts')).listProjections(environment, options));

  withTrustOptions(
    projection
      .command('rebuild <name>')
      .description('Make the tables of a projection again beside the old ones, and swap them. Exits with 1 when that fails.')
      .option('--verify', 'change nothing; compare the tables with all events, and exit with 1 when they differ')
      .option('--no-wait', 'return as soon as it is asked for')
      .option('--json', 'print JSON'),
  )
    .addHelpText('after', '\nCtrl-C ends the waiting and not the rebuild: `bicameral projection cancel <name>` does.')
    .action(async (name: string, options: RebuildOptions) =>
      (await import('./rebuild.ts')).rebuildProjection(environment, { name, options }),
    );

  withTrustOptions(
    projection
      .command('cancel <name>')
      .description('End the rebuild or the verification of a projection. The old tables stay.')
      .option('--json', 'print JSON'),
  ).action(async (name: string, options: Plain) => (await import('./rebuild.ts')).cancelRebuild(environment, { name, options }));

  addPauses(projection, 'projection', async (name, paused, options) =>
    (await import('./pause.ts')).setProjectionPaused(environment, { name, paused, options }),
  );
}

function addReactorCommands(reactor: Command, environment: Environment): void {
  addPauses(reactor, 'reactor', async (name, paused, options) =>
    (await import('./pause.ts')).setReactorPaused(environment, { name, paused, options }),
  );
}

function addPauses(
  parent: Command,
  what: string,
  setPaused: (name: string, paused: boolean, options: Plain) => Promise<void>,
): void {
  withTrustOptions(
    parent.command('pause <name>').description(`Stop a ${what} until it is resumed.`).option('--json', 'print JSON'),
  ).action((name: string, options: Plain) => setPaused(name, true, options));
  withTrustOptions(
    parent.command('resume <name>').description(`Let a paused ${what} go on where it stopped.`).option('--json', 'print JSON'),
  ).action((name: string, options: Plain) => setPaused(name, false, options));
}

function addDeadLetterCommands(deadLetters: Command, environment: Environment): void {
  withTrustOptions(
    deadLetters
      .command('list [processor]')
      .description('Print parked events, of one projection or reactor or of all: why they failed, and what waits behind them.')
      .option('--limit <n>', 'the most events to print', '50')
      .option('--json', 'print JSON, one event a line'),
  ).action(async (processor: string | undefined, options: ListDeadLettersOptions) =>
    (await import('./dead-letters.ts')).listDeadLetters(environment, { processor, options }),
  );

  withTrustOptions(
    deadLetters
      .command('retry <processor> [sequence]')
      .description('Have parked events tried again, in the order of each aggregate: all of a processor, or one.')
      .option('--aggregate <id>', 'those of this aggregate')
      .option('--json', 'print JSON'),
  ).action(async (processor: string, sequence: string | undefined, options: RetryOptions) =>
    (await import('./dead-letters.ts')).retryDeadLetters(environment, { processor, sequence, options }),
  );

  withTrustOptions(
    deadLetters
      .command('discard <processor> <sequence>')
      .description('Give a parked event up: the processor will never have handled it. Those behind it are handled then.')
      .option('--json', 'print JSON'),
  ).action(async (processor: string, sequence: string, options: Plain) =>
    (await import('./dead-letters.ts')).discardDeadLetter(environment, { processor, sequence, options }),
  );
}

function addTimerCommands(timers: Command, environment: Environment): void {
  withTrustOptions(
    timers
      .command('list [process]')
      .description('Print timers, of one process manager or reactor or of all: those that are due first come first.')
      .option('--state <state>', 'only those that are waiting, due, or failed')
      .option('--limit <n>', 'the most timers to print', '50')
      .option('--json', 'print JSON, one timer a line'),
  ).action(async (process: string | undefined, options: ListTimersOptions) =>
    (await import('./timers.ts')).listTimers(environment, { process, options }),
  );

  withTrustOptions(
    timers
      .command('retry [timer]')
      .description('Have the commands of failed timers sent again: one, or all.')
      .option('--process <name>', 'those of this process manager or reactor')
      .option('--json', 'print JSON'),
  ).action(async (timerId: string | undefined, options: RetryTimersOptions) =>
    (await import('./timers.ts')).retryTimers(environment, { timerId, options }),
  );

  withTrustOptions(
    timers
      .command('cancel <timer>')
      .description('Give a timer up, whatever its state: its command will not be sent.')
      .option('--json', 'print JSON'),
  ).action(async (timerId: string, options: Plain) =>
    (await import('./timers.ts')).cancelTimer(environment, { timerId, options }),
  );
}
