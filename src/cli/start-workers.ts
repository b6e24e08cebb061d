import cluster from 'node:cluster';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { App } from '../app.ts';
import { openKeys } from '../auth/open-keys.ts';
import type { Config } from '../config.ts';
import { openMigratedDatabase } from '../postgres/open-database.ts';
import { parseAddress } from '../transport/address.ts';
import { settlePorts } from './settle-ports.ts';

/** In what a worker differs from the environment. It is a message, because it holds keys and passwords. Orders follow. */
export type WorkerSetup = Pick<Config, 'grpcAddress' | 'httpAddress' | 'database' | 'signingKeys'>;

/** `renew`: look at the files for TLS. */
export type WorkerOrder = 'renew' | 'stop';

/** What a worker tells, once: that it serves, or why it cannot. */
export type WorkerReport = 'serving' | { readonly failure: string };

/** A worker could not start; the message is what it said. */
class WorkerDidNotStart extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkerDidNotStart';
  }
}

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** A worker that ran for so long was well: the pause begins anew, in milliseconds. */
const WELL_AFTER = 60_000;

/**
 * Runs the app in `config.workers` processes that share the addresses and one database, which this process opens and migrates.
 * Resolves when all serve; when one cannot, throws why, once, and leaves nothing running.
 *
 * Connections are dealt out in turn. A worker that ends is replaced, with pauses that double from 0.5 s to 10 s. Workers end with this
 * process, also by `kill -9`, because they notice that it is gone.
 */
export async function startWorkers(
  config: Config,
  { logger, onProgress }: { logger: Logger; onProgress: (step: string) => void },
): Promise<Omit<App, 'bus'>> {
  const database = await openMigratedDatabase(config.database, { onProgress, logger });
  const stopping = new AbortController();
  const running = new Set<WorkerProcess>();
  const stop = async (): Promise<void> => {
    stopping.abort();
    for (const worker of running) worker.stop();
    await Promise.all([...running].map(({ ended }) => ended));
    await database.close();
  };
  // When this process does not end by `stop`, a worker that is stuck would not notice.
  process.once('exit', () => {
    for (const worker of running) worker.kill();
  });

  try {
    // Read here, for all workers: one that is started later has the keys of the others, whatever became of the files.
    const { files } = await openKeys(config.signingKeys, database.connections.writer);
    const [grpcAddress, httpAddress] = await settlePorts([config.grpcAddress, config.httpAddress]);
    const setup: WorkerSetup = {
      grpcAddress,
      httpAddress,
      database: { kind: 'opened', connections: database.connections },
      signingKeys: { kind: 'read', files },
    };
    const fork = (): WorkerProcess => {
      const worker = forkWorker(setup);
      running.add(worker);
      void worker.ended.then((end) => {
        running.delete(worker);
        if (stopping.signal.aborted && end !== IN_ORDER) logger.error({ worker: worker.pid }, `a worker ${end} while it stopped`);
      });
      return worker;
    };
    onProgress(`starting ${config.workers} workers`);
    cluster.setupPrimary({ exec: join(import.meta.dirname, 'worker.ts'), args: [] });
    const workers = Array.from({ length: config.workers }, fork);
    await Promise.all(workers.map(({ serving }) => serving));
    for (const worker of workers) keep(worker, { fork, logger, signal: stopping.signal }).catch(() => {});
    const renewCertificates = async (): Promise<void> => {
      for (const worker of running) worker.renew();
    };
    return { grpcPort: parseAddress(grpcAddress).port, httpPort: parseAddress(httpAddress).port, renewCertificates, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Fills the worker's place again whenever it ends. Rejects when the signal aborts a pause. */
async function keep(
  first: WorkerProcess,
  { fork, logger, signal }: { fork: () => WorkerProcess; logger: Logger; signal: AbortSignal },
): Promise<void> {
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
    if (performance.now() - startedAt > WELL_AFTER) pause = FIRST_PAUSE;
    logger.error({ worker: pid, restartInMs: pause }, `a worker ${end}`);
    await delay(pause, undefined, { signal });
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

interface WorkerProcess {
  readonly pid: number | undefined;
  /** Rejects with WorkerDidNotStart. */
  readonly serving: Promise<void>;
  /** How it ended. Never rejects. */
  readonly ended: Promise<string>;
  readonly renew: () => void;
  /** Lets its calls in flight finish. */
  readonly stop: () => void;
  readonly kill: () => void;
}

const IN_ORDER = 'ended with code 0';

function forkWorker(setup: WorkerSetup): WorkerProcess {
  const worker = cluster.fork();
  const { promise: serving, resolve, reject } = Promise.withResolvers<void>();
  const ended = new Promise<string>((end) => {
    worker.on('error', ({ message }) => end(`failed: ${message}`));
    worker.on('exit', (code, signal) => end(signal ? `was ended by ${signal}` : `ended with code ${code}`));
  });
  worker.on('message', (report: WorkerReport) => {
    if (report === 'serving') resolve();
    else reject(new WorkerDidNotStart(report.failure));
  });
  void ended.then((end) => reject(new WorkerDidNotStart(`a worker ${end} before it served`)));
  serving.catch(() => {});
  // One that has ended meanwhile needs no message.
  const tell = (message: WorkerSetup | WorkerOrder): unknown => worker.send(message, () => {});
  tell(setup);
  return {
    pid: worker.process.pid,
    serving,
    ended,
    renew: () => tell('renew'),
    stop: () => tell('stop'),
    kill: () => worker.process.kill('SIGKILL'),
  };
}
