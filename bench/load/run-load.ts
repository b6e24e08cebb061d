import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareBody, type Requests } from './bodies.ts';
import { type ChangingFiles, startChangingFiles } from './changing-files.ts';
import { type H2loadCounts, type H2loadOptions, runH2load } from './h2load.ts';

/** Calls of one kind at one server. */
export interface Load {
  readonly port: number;
  /** Of the method, e.g. `/users.v1.QueryService/GetUser`. */
  readonly path: string;
  readonly http1?: boolean;
  readonly headers: readonly string[];
  readonly requests: Requests;
  /** h2loads at once, each with users of its own. */
  readonly processes: number;
  /** Of each process. */
  readonly connections: number;
  /** Calls in flight on each connection; with a rate, the most. */
  readonly streams: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Calls a second in all, however fast they are answered. Undefined: a call begins when another ends. */
  readonly rate?: number;
  /** Milliseconds between two bodies in each file, where bodies change. Default 1. */
  readonly changeEveryMs?: number;
}

export interface LoadResult extends H2loadCounts {
  readonly perSecond: number;
  /** From request to the end of the answer, sorted, in microseconds; empty without a rate. */
  readonly latencies: Float64Array;
}

/** Two loads never write the same serial number. */
let nextSerial = 1;

/** Calls the server as the load says and counts. Throws H2loadError. */
export async function runLoad(load: Load): Promise<LoadResult> {
  // In memory where that is possible: the files are written thousands of times a second.
  const folder = await mkdtemp(join(await scratch(), 'bicameral-bench-'));
  const numbers = Array.from({ length: load.processes }, (_, number) => number);
  const files = numbers.map((number) => join(folder, `body-${number}`));
  const logs = numbers.map((number) => join(folder, `log-${number}`));
  let changing: ChangingFiles | undefined;
  try {
    changing = await writeRequests(load, files);
    const counts = await Promise.all(
      files.map((file, index) => runH2load(optionsOf(load, file, load.rate === undefined ? undefined : logs[index]))),
    );
    const answered = sum(counts, 'answered');
    return {
      answered,
      failed: sum(counts, 'failed'),
      answerBytes: sum(counts, 'answerBytes'),
      perSecond: (answered / load.durationMs) * 1000,
      latencies: load.rate === undefined ? new Float64Array() : await readLatencies(logs),
    };
  } finally {
    nextSerial += (await changing?.stop()) ?? 0;
    await rm(folder, { recursive: true, force: true });
  }
}

async function scratch(): Promise<string> {
  const inMemory = await stat('/dev/shm').catch(() => undefined);
  return inMemory?.isDirectory() ? '/dev/shm' : tmpdir();
}

async function writeRequests({ requests, changeEveryMs = 1, port }: Load, files: string[]): Promise<ChangingFiles | undefined> {
  if (requests.kind === 'changing') {
    const { template, users } = requests;
    return await startChangingFiles({
      files,
      body: prepareBody(template),
      users,
      firstSerial: nextSerial,
      everyMs: changeEveryMs,
    });
  }
  for (const [index, file] of files.entries()) {
    const own = (_: string, place: number): boolean => place % files.length === index;
    const lines = requests.kind === 'paths' ? requests.paths.filter(own).map((path) => `http://127.0.0.1:${port}${path}\n`) : [];
    await writeFile(file, requests.kind === 'paths' ? lines.join('') : requests.body);
  }
  return undefined;
}

function optionsOf(load: Load, file: string, logFile: string | undefined): H2loadOptions {
  const { port, path, requests, processes, connections, rate } = load;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    http1: load.http1 ?? false,
    headers: load.headers,
    bodyFile: requests.kind === 'paths' ? undefined : file,
    urlFile: requests.kind === 'paths' ? file : undefined,
    connections,
    streams: load.streams,
    warmUpMs: load.warmUpMs,
    durationMs: load.durationMs,
    rate: rate === undefined ? undefined : rate / processes / connections,
    logFile,
  };
}

/** Lines of `start in µs, status, duration in µs`; a call that began in the warm-up has no status. */
async function readLatencies(logs: readonly string[]): Promise<Float64Array> {
  const times: number[] = [];
  for (const log of logs) {
    for (const line of (await readFile(log, 'utf8')).split('\n')) {
      const [, status, duration] = line.split('\t');
      if (status === '200') times.push(Number(duration));
    }
  }
  return Float64Array.from(times).sort();
}

const sum = (counts: readonly H2loadCounts[], name: keyof H2loadCounts): number =>
  counts.reduce((total, one) => total + one[name], 0);
