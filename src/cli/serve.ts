import { type Environment, readConfig } from '../config.ts';
import { createLogger, type LogLevel } from '../telemetry/logger.ts';
import { createConsoleProgress } from './progress.ts';
import { welcome } from './welcome.ts';

/** `bicameral serve`: runs until SIGTERM or SIGINT; a second signal does not wait for calls in flight. */
export async function serve(environment: Environment): Promise<void> {
  const config = readConfig(environment);
  const logger = await createLogger({ level: config.logLevel as LogLevel, pretty: process.stdout.isTTY });
  const { startApp } = await import('../app.ts');
  const app = await startApp(config, { logger, onProgress: createConsoleProgress() });
  process.stderr.write(welcome(config, app));

  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    process.once('SIGTERM', () => process.exit(1));
    process.once('SIGINT', () => process.exit(1));
    logger.info({ signal }, 'stopping');
    await app.stop();
    logger.info('stopped');
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
