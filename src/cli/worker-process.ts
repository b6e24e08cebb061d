import cluster from 'node:cluster';
import type { Config } from '../kernel/config.ts';
import type { Snapshot } from '../kernel/telemetry/metrics/snapshot.ts';
import { closeUntaken } from './untaken-connections.ts';

/** In what a worker differs from the environment. It is a message, because it holds keys and passwords. Orders follow. */
export type WorkerSetup = Pick<
  Config,
  'grpcAddress' | 'httpAddress' | 'healthAddress' | 'metricsAddress' | 'database' | 'signingKeys'
>;

/** `renew`: look at the files for TLS. `answer`: say that you are alive. `metrics`: say what the metrics say. */
export type WorkerOrder = 'renew' | 'stop' | 'answer' | 'metrics';

/** What a worker tells: once, that it serves, or why it cannot; that it is alive and what it counted, whenever it is asked. */
export type WorkerReport = 'serving' | 'alive' | { readonly failure: string } | { readonly metrics: Snapshot };

/** A worker could not start; the message is what it said. */
class WorkerDidNotStart extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkerDidNotStart';
  }
}

/** One of the processes that serve. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  /** Rejects with WorkerDidNotStart. */
  readonly serving: Promise<void>;
  /** How it ended. Never rejects. */
  readonly ended: Promise<string>;
  readonly renew: () => void;
  /** What its metrics say; after two seconds, what they said before. Nothing, before it serves. Never rejects. */
  readonly metrics: () => Promise<Snapshot>;
  /** What they said when they were asked for last. */
  readonly lastMetrics: () => Snapshot;
  /** Lets its calls in flight finish. */
  readonly stop: () => void;
  readonly kill: () => void;
}

/** How a worker ends that was told to. */
export const IN_ORDER = 'ended with code 0';

/** How often a worker is asked whether it is alive, in milliseconds, and how many questions in a row it may leave open: half a minute. */
const ASK_EVERY = 2_000;
const MOST_OPEN = 15;

/** How long a worker may take to say what it counted, in milliseconds. */
const PATIENCE = 2_000;
const NOTHING: Snapshot = { metrics: [], slowest: [] };

/** Starts a worker. One that serves and then answers nothing for half a minute is stuck, and is killed. */
export function forkWorker(setup: WorkerSetup): WorkerProcess {
  const worker = cluster.fork();
  closeUntaken(worker);
  const { promise: serving, resolve, reject } = Promise.withResolvers<void>();
  let asking: NodeJS.Timeout | undefined;
  // Questions are counted and not the time: this process may have been held up itself.
  let open = 0;
  let isStuck = false;
  const kill = (): unknown => worker.process.kill('SIGKILL');
  // One that has ended meanwhile needs no message.
  let last = NOTHING;
  let counted = Promise.withResolvers<Snapshot>();
  const metrics = async (): Promise<Snapshot> => {
    if (asking === undefined) return last;
    counted = Promise.withResolvers<Snapshot>();
    tell('metrics');
    const late = setTimeout(() => counted.resolve(last), PATIENCE);
    last = await Promise.race([counted.promise, ended.then(() => last)]);
    clearTimeout(late);
    return last;
  };
  const tell = (message: WorkerSetup | WorkerOrder): unknown => worker.send(message, () => {});
  const ask = (): void => {
    isStuck = open >= MOST_OPEN;
    if (isStuck) {
      kill();
      return;
    }
    open += 1;
    tell('answer');
  };

  const ended = new Promise<string>((end) => {
    worker.on('error', ({ message }) => end(`failed: ${message}`));
    worker.on('exit', (code, signal) => {
      const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
      end(isStuck ? `answered nothing for ${(ASK_EVERY * MOST_OPEN) / 1000} s and ${how}` : how);
    });
  });
  worker.on('message', (report: WorkerReport) => {
    if (report === 'alive') open = 0;
    else if (typeof report === 'object' && 'metrics' in report) counted.resolve(report.metrics);
    else if (report !== 'serving') reject(new WorkerDidNotStart(report.failure));
    else {
      resolve();
      asking = setInterval(ask, ASK_EVERY);
    }
  });
  void ended.then((end) => {
    clearInterval(asking);
    reject(new WorkerDidNotStart(`a worker ${end} before it served`));
  });
  serving.catch(() => {});
  tell(setup);
  return {
    pid: worker.process.pid,
    serving,
    ended,
    renew: () => tell('renew'),
    metrics,
    lastMetrics: () => last,
    stop: () => tell('stop'),
    kill,
  };
}
