/** One of the processes that serve when WORKERS is above 1. Started by `startWorkers`; when that process is gone, it ends at once. */
import { on } from 'node:events';
import { type App, application, startApp } from '../app.ts';
import { readConfig } from '../kernel/config.ts';
import { createLogger } from '../kernel/telemetry/logger.ts';
import { explain } from './explain.ts';
import { firstSignal } from './first-signal.ts';
import type { WorkerOrder, WorkerReport, WorkerSetup } from './worker-process.ts';

process.stderr.on('error', () => {});
const report = (message: WorkerReport): Promise<void> => new Promise((sent) => process.send?.(message, () => sent()));

// Ctrl-C at a terminal reaches a worker too; what the parent says after that changes nothing.
const signaled = firstSignal();
// So does a hang-up, of which the parent says what it means.
process.on('SIGHUP', () => {});
const messages = on(process, 'message');
const {
  value: [setup],
} = (await messages.next()) as { value: [WorkerSetup] };
let app: App | undefined;
const stopped = (async () => {
  for await (const [message] of messages as AsyncIterable<[WorkerOrder]>) {
    if (message === 'stop') return;
    if (message === 'answer') await report('alive');
    else if (message === 'metrics') void app?.metrics().then((metrics) => report({ metrics }));
    else await app?.renewCertificates();
  }
})();
try {
  const config = { ...readConfig(process.env, application.modules), ...setup };
  const logger = await createLogger({ level: config.logLevels.level, pretty: process.stdout.isTTY, pid: process.pid });
  app = await startApp(config, { logger });
  await report('serving');
  await Promise.race([signaled, stopped]);
  await app.stop();
} catch (error) {
  await report({ failure: explain(error) });
  process.exitCode = 1;
}
process.exit();
