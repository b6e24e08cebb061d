import cluster from 'node:cluster';
import type { Config } from '../config.ts';

/** In what a worker differs from the environment. It is a message, because it holds keys and passwords. Orders follow. */
export type WorkerSetup = Pick<Config, 'grpcAddress' | 'httpAddress' | 'healthAddress' | 'database' | 'signingKeys'>;

/** `renew`: look at the files for TLS. `answer`: say that you are alive. */
export type WorkerOrder = 'renew' | 'stop' | 'answer';

/** What a worker tells: once, that it serves, or why it cannot; and that it is alive, whenever it is asked. */
export type WorkerReport = 'serving' | 'alive' | { readonly failure: string };

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
  /** Lets its calls in flight finish. */
  readonly stop: () => void;
  readonly kill: () => void;
}

/** How a worker ends that was told to. */
export const IN_ORDER = 'ended with code 0';

/** How often a worker is asked whether it is alive, in milliseconds, and how many questions in a row it may leave open: half a minute. */
const ASK_EVERY = 2_000;
const MOST_OPEN = 15;

/** Starts a worker. One that serves and then answers nothing for half a minute is stuck, and is killed. */
export function forkWorker(setup: WorkerSetup): WorkerProcess {
  const worker = cluster.fork();
  const { promise: serving, resolve, reject } = Promise.withResolvers<void>();
  let asking: NodeJS.Timeout | undefined;
  // Questions are counted and not the time: this process may have been held up itself.
  let open = 0;
  let isStuck = false;
  const kill = (): unknown => worker.process.kill('SIGKILL');
  // One that has ended meanwhile needs no message.
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
  return { pid: worker.process.pid, serving, ended, renew: () => tell('renew'), stop: () => tell('stop'), kill };
}
