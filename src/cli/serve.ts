import { ConfigError } from '../kernel/config/config-error.ts';
import { type Config, readConfig } from '../kernel/config.ts';
import type { DatabaseConfig } from '../kernel/database/open-database.ts';
import { refuseTaken } from '../kernel/doors/address.ts';
import type { Environment } from '../kernel/settings.ts';
import { createLogger } from '../kernel/telemetry/logger.ts';
import { clearTextWarning } from './clear-text.ts';
import { firstSignal } from './first-signal.ts';
import { hangUp } from './hang-up.ts';
import { applicationOf, type ServiceProgram } from './program.ts';
import { createConsoleProgress } from './progress.ts';
import { welcome } from './welcome.ts';

interface ServeOptions {
  /** Instead of the one that the environment names. */
  readonly database?: DatabaseConfig;
  /** Given what to tell the person at the terminal, who by default is told. */
  readonly onServing?: (welcome: string) => void;
}

/**
 * `bicameral serve`: runs until SIGTERM or SIGINT, or until its terminal is gone. A SIGTERM or SIGINT that comes a second later or
 * more does not wait for calls in flight. A SIGHUP of another kind has it look at the files for TLS. Nothing that reads the output
 * matters: it may leave, hang up or be full.
 */
export async function serve(
  program: ServiceProgram,
  environment: Environment,
  { database, onServing = (text) => void process.stderr.write(text) }: ServeOptions = {},
): Promise<void> {
  process.stderr.on('error', () => {});
  const application = await applicationOf(program);
  const read = readConfig(environment, application.modules);
  const config = database ? { ...read, database } : read;
  const isAlone = config.workers === 1;
  const logger = await createLogger({
    level: config.logLevels.level,
    pretty: process.stdout.isTTY,
    pid: isAlone ? undefined : process.pid,
  });
  const warning = clearTextWarning(config);
  if (warning !== undefined) logger.warn(warning);
  // Before the database, which may take half a minute to make.
  await refuseTakenAddresses(config);
  const start = isAlone ? (await import('../kernel/service.ts')).startService : (await import('./start-workers.ts')).startWorkers;
  // Heard from here on: a signal during the start ends the program in order once it has started, and leaves no server behind.
  const renewal: { renew?: () => Promise<void> } = {};
  const signaled = Promise.race([firstSignal(), hangUp(() => void renewal.renew?.())]);
  const app = await start(application, { config, logger, onProgress: createConsoleProgress() });
  renewal.renew = app.renewCertificates;
  onServing(welcome(application, { config: read, ports: app }));

  const signal = await signaled;
  logger.info({ signal }, 'stopping');
  await app.stop();
  logger.info('stopped');
  // A request to a collector that is unavailable would keep the program for seconds.
  if (config.tracing.on) process.exit();
}

async function refuseTakenAddresses({ grpcAddress, httpAddress, healthAddress, metricsAddress }: Config): Promise<void> {
  const problems: string[] = [];
  const addresses = {
    GRPC_ADDRESS: grpcAddress,
    HTTP_ADDRESS: httpAddress,
    HEALTH_ADDRESS: healthAddress,
    METRICS_ADDRESS: metricsAddress,
  };
  for (const [variable, address] of Object.entries(addresses)) {
    if (address !== undefined) await refuseTaken(address).catch((error: Error) => problems.push(`${variable}: ${error.message}`));
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
