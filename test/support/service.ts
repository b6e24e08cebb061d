import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { freeDataFolder } from '../../src/embedded-postgres/running-postmaster.ts';
import { PATIENCE } from './patience.ts';
import { temporaryDataDir } from './temporary-data-dir.ts';

/** The program, started as `npm start` does, in a process of its own. */
export interface Service extends AsyncDisposable {
  /** host:port, as in `httpAddress`. */
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly metricsAddress: string;
  readonly dataDir: string;
  readonly pid: number;
  /** What it has logged so far: JSON lines. */
  readonly log: () => string;
  /** What it has told the person at the terminal so far. */
  readonly terminal: () => string;
  /** A token of the command line, good for 15 minutes. */
  readonly adminToken: () => Promise<string>;
  /**
   * SIGTERM. Resolves when the process has ended and left nothing behind: with its exit code, null if a signal ended it.
   * Throws after half a minute, and then it was killed. May be called again, and after `kill`.
   */
  readonly stop: () => Promise<number | null>;
  /** `kill -9`. Resolves when the process is gone; its PostgreSQL servers go on until `stop`, or until a start on the same directory. */
  readonly kill: () => Promise<void>;
}

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
const END_WITH_PARENT = join(import.meta.dirname, 'end-with-parent.ts');

/**
 * Starts the program on free ports and resolves when it serves; throws what it said when it does not.
 * Without `dataDir` it has a new one, which `stop` removes. Variables in `env` come before all others. Use it with `await using`,
 * or call `stop` in `afterAll`. It ends with the test's process at the latest. With `openFiles` it may open no more than so many. `main`: another program than ours.
 */
export async function startService(
  options: { env?: Record<string, string>; dataDir?: string; openFiles?: number; main?: string } = {},
): Promise<Service> {
  const { main = MAIN } = options;
  await using resources = new AsyncDisposableStack();
  const dataDir = options.dataDir ?? resources.use(temporaryDataDir()).path;
  const addresses = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0' };
  // All calls of a test come from one address; and a slow machine takes its time to open connections, and to give back those that are taken.
  const limits = { RATE_LIMITS: 'sign-up=off,log-in=off', LIMIT_DATABASE_WAIT_MS: String(PATIENCE) };
  const env = { ...process.env, NODE_OPTIONS: '', ...addresses, ...limits, DATA_DIR: dataDir, ...options.env };
  const program = [process.execPath, '--import', END_WITH_PARENT, main, 'serve'];
  const limited = ['-c', `ulimit -n ${options.openFiles}; exec "$@"`, 'limited', ...program];
  const [command = '', ...args] = options.openFiles === undefined ? program : ['bash', ...limited];
  const child = spawn(command, args, { env });
  const closed = new Promise((done) => child.once('close', done));
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const log = collect(child.stdout);
  const terminal = collect(child.stderr);

  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
  };
  const end = async (): Promise<void> => {
    let isTooLate = false;
    const tooLate = setTimeout(() => {
      isTooLate = true;
      child.kill('SIGKILL');
    }, PATIENCE);
    if (!hasEnded()) child.kill('SIGTERM');
    await closed;
    clearTimeout(tooLate);
    for (const server of ['primary', 'replica']) await freeDataFolder(join(dataDir, 'postgres', server));
    if (isTooLate) throw new Error(`the service did not stop: ${terminal()}${log()}`);
  };
  resources.defer(end);

  const addressOf = (door: string): string | undefined =>
    new RegExp(`^ *${door} +(?:https?://)?(\\S+)\\n`, 'm').exec(terminal())?.[1];
  const started = new AbortController();
  const { signal } = started;
  const tooLate = setTimeout(() => started.abort(), PATIENCE);
  void closed.then(() => started.abort());
  while (!addressOf('Connect') && !signal.aborted) await once(child.stderr, 'data', { signal }).catch(() => {});
  clearTimeout(tooLate);
  const [grpcAddress, httpAddress] = [addressOf('gRPC'), addressOf('Connect')];
  const metricsAddress = addressOf('metrics')?.replace('/metrics', '') ?? '';
  if (!grpcAddress || !httpAddress || !child.pid) throw new Error(`the service did not start: ${terminal()}${log()}`);

  const kept = resources.move();
  return {
    grpcAddress,
    httpAddress,
    metricsAddress,
    dataDir,
    pid: child.pid,
    log,
    terminal,
    adminToken: async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [main, 'token', '--role', 'admin'], { env });
      return stdout.trim();
    },
    stop: async () => {
      await kept.disposeAsync();
      return child.exitCode;
    },
    kill,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  return () => text;
}
