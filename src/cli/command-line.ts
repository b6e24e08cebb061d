import { Command } from 'commander';
import type { Environment } from '../kernel/settings.ts';
import { escapedText } from '../kernel/telemetry/escaped-text.ts';
import type { Sdk } from '../kernel/telemetry/sdk.ts';
import { addLogCommands } from './audit/log-commands.ts';
import { addSealCommands } from './audit/seal-commands.ts';
import { explain } from './explain.ts';
import { addKeyCommands } from './keys/key-commands.ts';
import { addNewCommands } from './new/new-commands.ts';
import { addOperationCommands } from './operations/operation-commands.ts';
import type { ServiceProgram } from './program.ts';
import type { ReplayOptions } from './replay/replay.ts';
import { withTrustOptions } from './service-options.ts';
import type { StatusOptions } from './status/status.ts';
import type { TopOptions } from './top/top.ts';
import { endTraced, traceCallsOf } from './traced-calls.ts';

/**
 * The command line of a service, under its own name: `serve`, `dev`, `migrate`, `token`, `status` and the others. Parses the arguments and runs
 * the subcommand; each is loaded only when it is called. Exits with 1 when it fails.
 *
 * ```ts
 * // src/main.ts; src/app.ts exports the application
 * await runCommandLine({ name: 'shop', load: () => import('./app.ts') });
 * ```
 */
export async function runCommandLine(
  service: ServiceProgram,
  argv: readonly string[] = process.argv,
  environment: Environment = process.env,
): Promise<void> {
  const program = new Command(service.name)
    .description(service.description ?? 'A CQRS gRPC service on PostgreSQL.')
    .showHelpAfterError()
    .addHelpText('after', '\nSettings come from the environment; docs/configuration.md lists them all.');

  program
    .command('serve')
    .description('Run the service until SIGTERM or SIGINT.')
    .addHelpText(
      'after',
      '\nWithout DATABASE_URL it runs a PostgreSQL primary and replica of its own, under DATA_DIR (default .data).',
    )
    .action(async () => (await import('./serve.ts')).serve(service, environment));

  program
    .command('dev')
    .description('Run the service, and start it again when one of its files changes.')
    .option('--inspect [address]', 'let a debugger attach to it, by default at 127.0.0.1:9229')
    .addHelpText('after', '\nThe embedded PostgreSQL stays up meanwhile. A contract that changes is generated from first.')
    .action(async (options: { inspect?: string | true }) => (await import('./dev/dev.ts')).dev(environment, options));
  program
    .command('check')
    .description('Check that modules, roles and contracts fit together. Needs no database.')
    .action(async () => (await import('./check.ts')).check(service));
  program
    .command('dev-service', { hidden: true })
    .action(async () => (await import('./dev/dev-service.ts')).devService(service, environment));

  program.command('worker', { hidden: true }).action(async () => (await import('./worker.ts')).runWorker(service, environment));

  program
    .command('migrate')
    .description('Bring the database schema up to date, and exit.')
    .option('--json', 'print the names of the migrations that ran, as JSON')
    .addHelpText('after', '\nUses DATABASE_OWNER_URL, or else DATABASE_URL. Several may run at once.')
    .action(async (options: { json?: true }) =>
      (await import('./migrate.ts')).migrateDatabase(service, { environment, options }),
    );

  program
    .command('pipeline [rpc]')
    .description('Print the middleware that calls pass, outermost first: of each kind of calls, or of one rpc.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nAn rpc is named as users.v1.CommandService/ChangeName.')
    .action(async (rpc: string | undefined, { json }: { json?: true }) =>
      (await import('./pipeline.ts')).printPipeline(service, { rpc, json, environment }),
    );

  program
    .command('token')
    .description('Print an access token, signed with the local key.')
    .option('--role <role...>', 'the roles of the token, such as admin', [])
    .option('--subject <id>', 'the subject of the token', 'operator')
    .option('--ttl <time>', 'how long the token is valid: 90s, 15m, at most 12h', '15m')
    .option('--json', 'print the token and its expiry as JSON')
    .addHelpText('after', '\nThe operator is anybody who can read the key that signs (AUTH_SIGNING_KEYS, AUTH_SIGNING_KEY_FILE).')
    .action(async (options: { role: string[]; subject: string; ttl: string; json?: true }) =>
      (await import('./token.ts')).printToken(service, { environment, options }),
    );

  addKeyCommands(program, { service, environment });

  withTrustOptions(
    program
      .command('status')
      .description('Show how a running service does, what is wrong first. Exits with 1 when something is wrong.')
      .option('--watch', 'show it again and again, until q or Ctrl-C; without a terminal, print a line each time')
      .option('--interval <time>', 'how often with --watch: 1s, 10s, at most 1h', '2s')
      .option('--json', 'print JSON'),
  )
    .addHelpText('after', '\nAsks at GRPC_ADDRESS and HTTP_ADDRESS. Without the key of the service it shows the health alone.')
    .action(async (options: StatusOptions) => (await import('./status/status.ts')).printStatus(environment, options));

  program
    .command('top')
    .description('Show what a running service does: calls, errors and latency by rpc, databases, the log, the slowest calls.')
    .option('--interval <time>', 'the interval of measurement: 1s, 10s, at most 1h', '1s')
    .option('--json', 'print one interval as JSON, and exit')
    .addHelpText(
      'after',
      '\nReads the metrics at METRICS_ADDRESS. On a terminal it runs until q or Ctrl-C. Elsewhere it prints once.',
    )
    .action(async (options: TopOptions) => (await import('./top/top.ts')).top(environment, options));

  const audit = program
    .command('audit')
    .description('Read the log of commands: who did what, when, and how it ended.')
    .addHelpText('after', '\nCalls a running service at GRPC_ADDRESS.');
  addLogCommands(audit, environment);
  addSealCommands(audit, environment);
  addOperationCommands(program, environment);

  withTrustOptions(
    program
      .command('replay')
      .description(
        'Run recorded commands again, into an empty database. Exits with 1 when a command ends in another way than on record.',
      )
      .requiredOption('--into <url>', 'an empty PostgreSQL database, as the role that owns it')
      .option('--from <place>', 'begin here: a sequence number, 2026-11-24, or 2026-11-24T10:30:00Z (default: the beginning)')
      .option(
        '--to <place>',
        'end here: the last sequence number, or the time before which commands were received (default: the end)',
      )
      .option('--json', 'print JSON'),
  )
    .addHelpText('after', '\nReads the log of a running service at GRPC_ADDRESS, and changes nothing there.')
    .action(async (options: ReplayOptions) => (await import('./replay/replay.ts')).replayLog(service, { environment, options }));

  program
    .command('generate')
    .description('Make what follows from the contracts of a service: code in gen/, and the list of handlers of each module.')
    .option('--check', 'change nothing; exit with 1 when something is not as it is generated')
    .action(async (options: { check?: true }) => (await import('./generate/generate.ts')).generate(options));
  addNewCommands(program);

  let traced: Sdk | undefined;
  program.hook('preAction', async (_, command) => {
    command.setOptionValue('issuer', service.name);
    traced = await traceCallsOf(command, environment);
  });
  try {
    await program.parseAsync(argv);
  } catch (error) {
    // Messages name subcommands as those of the package's own program.
    process.stderr.write(escapedText(`${explain(error).replaceAll('`bicameral ', `\`${service.name} `)}\n`));
    process.exitCode = 1;
  }
  if (traced) await endTraced(traced);
}
