import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { SeenSpan } from '../../support/traces.ts';

/** The release 2.13.0 of Jaeger, whose module has no tags of version 2. */
const VERSION = 'v1.76.0';
const MODULE = 'github.com/jaegertracing/jaeger/cmd/jaeger';

/** Where builds are kept for the user of this machine, outside of the tree: one takes minutes. */
function cacheFolder(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (process.platform === 'darwin') return join(homedir(), 'Library/Caches/bicameral');
  return join(XDG_CACHE_HOME || LOCALAPPDATA || join(homedir(), '.cache'), 'bicameral');
}

/** The program, from a build of before or a new one. Throws GoMissing. */
export async function builtJaeger(tell: (line: string) => void): Promise<string> {
  const folder = join(cacheFolder(), `jaeger-${VERSION}`);
  const program = join(folder, 'jaeger');
  if (existsSync(program)) {
    tell(`Jaeger ${VERSION}: ${program}, built before`);
    return program;
  }
  tell(`Jaeger ${VERSION} is built by Go into ${folder}: 1.5 GB of modules, and some minutes of two cores`);
  const build = `${folder}.${process.pid}`;
  await mkdir(build, { recursive: true });
  try {
    await writeFile(join(build, 'go.mod'), 'module local/jaeger\n\ngo 1.26\n');
    await go(build, ['get', '-tool', `${MODULE}@${VERSION}`]);
    await go(build, ['build', '-ldflags', '-s -w', '-o', 'jaeger', MODULE]);
    await mkdir(folder, { recursive: true });
    await rename(join(build, 'jaeger'), program);
  } finally {
    await rm(build, { recursive: true, force: true });
  }
  return program;
}

/** This machine cannot build it. */
export class GoMissing extends Error {}

function go(cwd: string, args: readonly string[]): Promise<void> {
  const child = spawn('go', args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      reject(code === 'ENOENT' ? new GoMissing('Go is not installed') : new Error(message)),
    );
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`go ${args[0]} ended with ${code}`))));
  });
}

/** A Jaeger that runs on loopback and keeps traces in memory. */
export interface Jaeger extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** The ids of the traces of a service that have a span of that name, by its query API. */
  readonly find: (service: string, operation: string) => Promise<string[]>;
  readonly trace: (traceId: string) => Promise<readonly SeenSpan[]>;
}

export async function startJaeger(program: string, folder: string): Promise<Jaeger> {
  const [otlp, query, grpcQuery] = await Promise.all([freePort(), freePort(), freePort()]);
  const config = join(folder, 'jaeger.json');
  await writeFile(config, JSON.stringify(configuration({ otlp, query, grpcQuery })));
  const child = spawn(program, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const api = `http://127.0.0.1:${query}/api`;
  await answering(api, child, () => said);
  return {
    endpoint: `http://127.0.0.1:${otlp}`,
    find: async (service, operation) => {
      const { data } = await read<{ data: JaegerTrace[] | null }>(
        `${api}/traces?service=${service}&operation=${encodeURIComponent(operation)}&lookback=1h`,
      );
      return (data ?? []).map(({ traceID }) => traceID);
    },
    trace: async (traceId) => {
      const { data } = await read<{ data: JaegerTrace[] | null }>(`${api}/traces/${traceId}`);
      return (data ?? []).flatMap(seen);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

async function answering(api: string, child: ChildProcess, said: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`Jaeger ended:\n${said()}`);
    const answer = await fetch(`${api}/services`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function read<T>(url: string): Promise<T> {
  const answer = await fetch(url);
  return (await answer.json()) as T;
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function configuration({ otlp, query, grpcQuery }: { otlp: number; query: number; grpcQuery: number }): object {
  const at = (port: number): object => ({ endpoint: `127.0.0.1:${port}` });
  return {
    service: {
      extensions: ['jaeger_storage', 'jaeger_query'],
      pipelines: { traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['jaeger_storage_exporter'] } },
      telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
    },
    extensions: {
      jaeger_query: { storage: { traces: 'memory' }, http: at(query), grpc: at(grpcQuery) },
      jaeger_storage: { backends: { memory: { memory: { max_traces: 10_000 } } } },
    },
    receivers: { otlp: { protocols: { http: at(otlp) } } },
    processors: { batch: { timeout: '200ms' } },
    exporters: { jaeger_storage_exporter: { trace_storage: 'memory' } },
  };
}

/** A trace as the query API has it. */
interface JaegerTrace {
  readonly traceID: string;
  readonly spans: readonly {
    readonly traceID: string;
    readonly spanID: string;
    readonly operationName: string;
    readonly references: readonly { readonly refType: string; readonly traceID: string; readonly spanID: string }[];
    /** In microseconds. */
    readonly startTime: number;
    readonly duration: number;
    readonly tags: readonly { readonly key: string; readonly value: unknown }[];
    readonly processID: string;
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

function seen({ spans, processes }: JaegerTrace): SeenSpan[] {
  return spans.map((span) => {
    const attributes = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]));
    const ofKind = (kind: string) => span.references.filter(({ refType }) => refType === kind);
    return {
      service: processes[span.processID]?.serviceName ?? '',
      name: span.operationName,
      kind: attributes['span.kind'] as SeenSpan['kind'],
      traceId: span.traceID,
      spanId: span.spanID,
      parentId: ofKind('CHILD_OF')[0]?.spanID,
      startedAt: BigInt(span.startTime) * 1000n,
      durationUs: span.duration,
      failed: attributes.error === true,
      attributes,
      links: ofKind('FOLLOWS_FROM').map(({ traceID, spanID }) => ({ traceId: traceID, spanId: spanID })),
    };
  });
}
