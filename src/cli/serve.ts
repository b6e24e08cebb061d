import { type Environment, readConfig } from '../config.ts';
import { createLogger, type LogLevel } from '../telemetry/logger.ts';
import { createConsoleProgress } from './progress.ts';
import { welcome } from './welcome.ts';

/** `bicameral serve`: runs until SIGTERM or SIGINT; a second signal does not wait for calls in flight. */
export async function serve(environment: Environment): Promise<void> {
  const config = readConfig(environment);
  const logger = await createLogger({ level: config.logLevel as LogLevel, pretty: process.stdout.isTTY });
  const { startApp } = await import('../app.ts');
  // Heard from here on: a signal during the start ends the program in order once it has started, and leaves no server behind.
  const signaled = firstSignal();
  const app = await startApp(config, { logger, onProgress: createConsoleProgress() });
  process.stderr.write(welcome(config, app));

  const signal = await signaled;
  logger.info({ signal }, 'stopping');
  await app.stop();
  logger.info('stopped');
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const heard = (signal: NodeJS.Signals): void => {
      process.on('SIGTERM', () => process.exit(1));
      process.on('SIGINT', () => process.exit(1));
      resolve(signal);
    };
    process.once('SIGTERM', heard);
    process.once('SIGINT', heard);
  });
}
