import cluster from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { openKeys } from '../kernel/auth/open-keys.ts';
import type { Config } from '../kernel/config.ts';
import { openMigratedDatabase } from '../kernel/database/open-database.ts';
import { parseAddress } from '../kernel/doors/address.ts';
import type { Application, Service } from '../kernel/service.ts';
import { openMetrics } from '../kernel/start/open-door.ts';
import { counts, merged, type Snapshot } from '../kernel/telemetry/metrics/snapshot.ts';
import { settlePorts } from './settle-ports.ts';
import { forkWorker, IN_ORDER, type WorkerProcess, type WorkerSetup } from './worker-process.ts';

/** How much longer than its calls in flight a worker may take to stop, in milliseconds. */
const AFTER_GRACE = 3_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** A worker that ran for so long was well: the pause begins anew, in milliseconds. */
const WELL_AFTER = 60_000;

/**
 * Runs the app in `config.workers` processes that share the addresses and one database, which this process opens and migrates.
 * Resolves when all serve; when one cannot, throws why, once, and leaves nothing running.
 *
 * Connections are dealt out in turn. A worker that ends, or is stuck, is replaced, with pauses that double from 0.5 s to 10 s while
 * another one serves. Workers end with this process, also by `kill -9`, because they notice that it is gone.
 */
export async function startWorkers(
  { name, modules }: Pick<Application, 'name' | 'modules'>,
  { config, logger, onProgress }: { config: Config; logger: Logger; onProgress: (step: string) => void },
): Promise<Omit<Service, 'bus'>> {
  const database = await openMigratedDatabase(config.database, modules, { service: name, onProgress, logger });
  const stopping = new AbortController();
  const running = new Set<WorkerProcess>();
  /** What workers had counted that are no more. */
  let past: Snapshot = { metrics: [], slowest: [] };
  let asked: Promise<Snapshot> | undefined;
  // One at a time: whoever asks meanwhile has the same answer.
  const metrics = (): Promise<Snapshot> => {
    asked ??= Promise.all([...running].map((worker) => worker.metrics()))
      .then((snapshots) => merged([past, ...snapshots]))
      .finally(() => {
        asked = undefined;
      });
    return asked;
  };
  let pages: Awaited<ReturnType<typeof openMetrics>> | undefined;
  const stop = async (): Promise<void> => {
    stopping.abort();
    for (const worker of running) worker.stop();
    await Promise.all([...running].map((worker) => endInTime(worker, config.shutdownGraceMs + AFTER_GRACE)));
    await pages?.close();
    await database.close();
  };
  // When this process does not end by `stop`, a worker that is stuck would not notice.
  process.once('exit', () => {
    for (const worker of running) worker.kill();
  });

  try {
    // Read here, for all workers: one that is started later has the keys of the others, whatever became of the files.
    const { files } = await openKeys(config.signingKeys, database.connections.writer);
    const { grpcAddress, httpAddress, healthAddress } = await settlePorts(config);
    const setup: WorkerSetup = {
      grpcAddress,
      httpAddress,
      healthAddress,
      // One page for all, which this process has.
      metricsAddress: undefined,
      database: { kind: 'opened', connections: database.connections },
      signingKeys: { kind: 'read', files },
    };
    const fork = (): WorkerProcess => {
      const worker = forkWorker(setup);
      running.add(worker);
      void worker.ended.then((end) => {
        running.delete(worker);
        past = merged([past, counts(worker.lastMetrics())]);
        if (stopping.signal.aborted && end !== IN_ORDER) logger.error({ worker: worker.pid }, `a worker ${end} while it stopped`);
      });
      return worker;
    };
    onProgress(`starting ${config.workers} workers`);
    // The same program, whatever service's it is.
    cluster.setupPrimary({ exec: process.argv[1] ?? '', args: ['worker'] });
    const workers = Array.from({ length: config.workers }, fork);
    await Promise.all(workers.map(({ serving }) => serving));
    pages = await openMetrics(config, metrics);
    const others = (worker: WorkerProcess): boolean => [...running].some((one) => one !== worker);
    for (const worker of workers) keep(worker, { fork, others, logger, signal: stopping.signal }).catch(() => {});
    const renewCertificates = async (): Promise<void> => {
      for (const worker of running) worker.renew();
    };
    const healthPort = healthAddress === undefined ? undefined : parseAddress(healthAddress).port;
    return {
      grpcPort: parseAddress(grpcAddress).port,
      httpPort: parseAddress(httpAddress).port,
      healthPort,
      metricsPort: pages.port,
      metrics,
      renewCertificates,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Keeping {
  readonly fork: () => WorkerProcess;
  /** Whether another worker than this one runs. */
  readonly others: (worker: WorkerProcess) => boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Fills the worker's place again whenever it ends. Rejects when the signal aborts a pause. */
async function keep(first: WorkerProcess, { fork, others, logger, signal }: Keeping): Promise<void> {
  let pause = FIRST_PAUSE;
  for (let worker = first; ; worker = fork()) {
    const startedAt = performance.now();
    const { pid, serving, ended } = worker;
    if (worker !== first) {
      const served = (): void => logger.info({ worker: pid }, 'a new worker serves');
      serving.then(served, (err) => logger.error({ err, worker: pid }, 'a new worker did not start'));
    }
    const end = await ended;
    if (signal.aborted) return;
    // Nobody serves while the last one is waited for.
    if (performance.now() - startedAt > WELL_AFTER || !others(worker)) pause = FIRST_PAUSE;
    logger.error({ worker: pid, restartInMs: pause }, `a worker ${end}`);
    await delay(pause, undefined, { signal });
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

/** Waits for a worker that was told to stop, and kills it when it takes too long. */
async function endInTime(worker: WorkerProcess, patience: number): Promise<void> {
  const tooLate = setTimeout(worker.kill, patience);
  await worker.ended;
  clearTimeout(tooLate);
}
