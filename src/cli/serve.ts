import { type Environment, readConfig } from '../config.ts';
import { createLogger, type LogLevel } from '../telemetry/logger.ts';
import { firstSignal } from './first-signal.ts';
import { createConsoleProgress } from './progress.ts';
import { welcome } from './welcome.ts';

/**
 * `bicameral serve`: runs until SIGTERM or SIGINT. Another one, a second later or more, does not wait for calls in flight. Nothing that
 * reads the output matters: it may leave, hang up or be full.
 */
export async function serve(environment: Environment): Promise<void> {
  process.stderr.on('error', () => {});
  const config = readConfig(environment);
  const isAlone = config.workers === 1;
  const logger = await createLogger({
    level: config.logLevel as LogLevel,
    pretty: process.stdout.isTTY,
    pid: isAlone ? undefined : process.pid,
  });
  const start = isAlone ? (await import('../app.ts')).startApp : (await import('./start-workers.ts')).startWorkers;
  // Heard from here on: a signal during the start ends the program in order once it has started, and leaves no server behind.
  const signaled = firstSignal();
  const app = await start(config, { logger, onProgress: createConsoleProgress() });
  process.stderr.write(welcome(config, app));

  const signal = await signaled;
  logger.info({ signal }, 'stopping');
  await app.stop();
  logger.info('stopped');
}
