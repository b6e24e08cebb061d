import { on } from 'node:events';
import { readConfig } from '../kernel/config.ts';
import { type Service, startService } from '../kernel/service.ts';
import type { Environment } from '../kernel/settings.ts';
import { createLogger } from '../kernel/telemetry/logger.ts';
import { explain } from './explain.ts';
import { firstSignal } from './first-signal.ts';
import { applicationOf, type ServiceProgram } from './program.ts';
import type { WorkerOrder, WorkerReport, WorkerSetup } from './worker-process.ts';

const report = (message: WorkerReport): Promise<void> => new Promise((sent) => process.send?.(message, () => sent()));

/**
 * `bicameral worker`: one of the processes that serve when WORKERS is above 1. Started by `startWorkers`; when that process is gone, it ends at
 * once.
 */
export async function runWorker(program: ServiceProgram, environment: Environment): Promise<void> {
  process.stderr.on('error', () => {});

  // Ctrl-C at a terminal reaches a worker too; what the parent says after that changes nothing.
  const signaled = firstSignal();
  // So does a hang-up, of which the parent says what it means.
  process.on('SIGHUP', () => {});
  const messages = on(process, 'message');
  const {
    value: [setup],
  } = (await messages.next()) as { value: [WorkerSetup] };
  let app: Service | undefined;
  const stopped = (async () => {
    for await (const [message] of messages as AsyncIterable<[WorkerOrder]>) {
      if (message === 'stop') return;
      if (message === 'answer') await report('alive');
      else if (message === 'metrics') void app?.metrics().then((metrics) => report({ metrics }));
      else await app?.renewCertificates();
    }
  })();
  try {
    const application = await applicationOf(program);
    const config = { ...readConfig(environment, application.modules), ...setup };
    const logger = await createLogger({ level: config.logLevels.level, pretty: process.stdout.isTTY, pid: process.pid });
    app = await startService(application, { config, logger });
    await report('serving');
    await Promise.race([signaled, stopped]);
    await app.stop();
  } catch (error) {
    await report({ failure: explain(error) });
    process.exitCode = 1;
  }
  process.exit();
}
