import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** One h2load process: what it is told. */
export interface H2loadOptions {
  /** `http://host:port/path`. */
  readonly url: string;
  readonly http1: boolean;
  readonly headers: readonly string[];
  readonly bodyFile: string | undefined;
  /** A file of URLs, called in turn, instead of `url`. */
  readonly urlFile: string | undefined;
  readonly connections: number;
  /** Calls in flight on each connection. */
  readonly streams: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Calls a second on each connection; undefined: as many as come back. */
  readonly rate: number | undefined;
  /** Where each call's time is written. */
  readonly logFile: string | undefined;
}

/** What one h2load counted, its warm-up left out. */
export interface H2loadCounts {
  readonly answered: number;
  /** Calls without an answer, or with an HTTP status other than 2xx. What gRPC says in a trailer, h2load does not see. */
  readonly failed: number;
  readonly answerBytes: number;
}

/** The load driver is not there, or did not do what it was asked; the message says what to do. */
export class H2loadError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'H2loadError';
  }
}

const MISSING = 'h2load is missing. It is in the package nghttp2-client of Debian and Ubuntu (apt-get install nghttp2-client).';

/** Runs h2load once. Throws H2loadError. */
export async function runH2load(options: H2loadOptions): Promise<H2loadCounts> {
  return parse(await output(spawn('h2load', argumentsOf(options), { stdio: ['ignore', 'pipe', 'pipe'] })));
}

/** E.g. `h2load nghttp2/1.52.0`. Throws H2loadError when there is none. */
export async function h2loadVersion(): Promise<string> {
  return (await output(spawn('h2load', ['--version'], { stdio: ['ignore', 'pipe', 'pipe'] }))).trim();
}

function argumentsOf(options: H2loadOptions): string[] {
  return [
    `--clients=${options.connections}`,
    `--max-concurrent-streams=${options.streams}`,
    `--warm-up-time=${options.warmUpMs}ms`,
    `--duration=${options.durationMs}ms`,
    ...(options.http1 ? ['--h1'] : []),
    ...options.headers.flatMap((header) => ['--header', header]),
    ...(options.bodyFile === undefined ? [] : [`--data=${options.bodyFile}`]),
    ...(options.rate === undefined ? [] : [`--rps=${options.rate}`]),
    ...(options.logFile === undefined ? [] : [`--log-file=${options.logFile}`]),
    ...(options.urlFile === undefined ? [options.url] : [`--base-uri=${options.url}`, `--input-file=${options.urlFile}`]),
  ];
}

async function output(child: ChildProcess): Promise<string> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new H2loadError('h2load has no output');
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject('code' in error && error.code === 'ENOENT' ? new H2loadError(MISSING) : error));
    child.once('close', resolve);
  });
  const [out, problems, code] = await Promise.all([text(stdout), text(stderr), ended]);
  if (code !== 0) throw new H2loadError(`h2load ended with code ${code}: ${problems || out}`);
  return out;
}

function parse(out: string): H2loadCounts {
  const requests = /requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(out);
  const statuses = /status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(out);
  const data = /\((\d+)\) data/.exec(out);
  if (!requests || !statuses || !data) throw new H2loadError(`h2load printed something else than expected:\n${out}`);
  const [, answered, failed] = requests.map(Number);
  const others = statuses.slice(1).reduce((sum, count) => sum + Number(count), 0);
  return { answered: answered ?? 0, failed: (failed ?? 0) + others, answerBytes: Number(data[1]) };
}
