import { connect } from 'node:net';
import { join } from 'node:path';
import { buildPeer } from './build-peer.ts';
import { failedCalls } from './failed-calls.ts';
import { freePort, startProgram } from './program.ts';
import type { Subject, SubjectName, SubjectSurroundings } from './subject.ts';

/** What `npm start` runs, as arguments of node. */
export const START = [
  '--max-semi-space-size=16',
  '--heap-growing-percent=75',
  '--v8-pool-size=1',
  'src/main.ts',
  'serve',
] as const;

/** The environment in which `npm start` runs that. */
export const START_ENVIRONMENT = { NODE_COMPILE_CACHE: 'node_modules/.cache/compiled' };

/** The repository. */
export const ROOT = join(import.meta.dirname, '..', '..');

let started = 0;

/** Starts one of the subjects; `nodeFlags` are for node itself, and what is in `environment` comes before all else. */
export async function startSubject(
  name: SubjectName,
  surroundings: SubjectSurroundings,
  { nodeFlags = [], environment = {} }: { nodeFlags?: readonly string[]; environment?: Readonly<Record<string, string>> } = {},
): Promise<Subject> {
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  const { program, environment: own } = await commandOf(name, surroundings);
  started += 1;
  const logFile = join(surroundings.folder, `${started}-${name}.log`);
  const { pid, stop } = await startProgram({
    arguments: [...nodeFlags, ...program],
    cwd: ROOT,
    environment: {
      DATABASE_URL: surroundings.databaseUrl,
      DATABASE_REPLICA_URLS: surroundings.replicaUrl,
      GRPC_ADDRESS: `127.0.0.1:${grpcPort}`,
      HTTP_ADDRESS: `127.0.0.1:${httpPort}`,
      METRICS_ADDRESS: '127.0.0.1:0',
      ...own,
      ...environment,
    },
    logFile,
    isReady: name === 'ours' ? () => answersReady(httpPort) : () => accepts(grpcPort),
  });
  return { name, pid, grpcPort, httpPort, takeFailures: failedCalls(logFile), stop };
}

/** Whether the service at the port says that it is ready. */
export async function answersReady(httpPort: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/readyz`, { headers: { connection: 'close' } }).catch(
    () => undefined,
  );
  await response?.body?.cancel();
  return response?.status === 200;
}

interface SubjectCommand {
  readonly program: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

async function commandOf(name: SubjectName, surroundings: SubjectSurroundings): Promise<SubjectCommand> {
  switch (name) {
    case 'ours':
      return {
        program: START,
        // All of the load comes from one address. Every query reads, as those of the others do; the workload `cache` is about what is kept.
        environment: {
          ...START_ENVIRONMENT,
          AUTH_SIGNING_KEY_FILE: surroundings.signingKeyFile,
          RATE_LIMITS: 'sign-up=off,log-in=off',
          QUERY_CACHE_MB: '0',
        },
      };
    case 'floor':
      return { program: ['bench/subjects/by-hand/floor.ts'], environment: {} };
    case 'connect':
      return { program: ['bench/subjects/by-hand/connect.ts'], environment: {} };
    case 'peer': {
      const { main, proto } = await buildPeer();
      const environment = { NODE_ENV: 'production', PROTO_FILE: proto, DATABASE_REPLICA_URLS: surroundings.replicaWriterUrl };
      return { program: [main], environment };
    }
    default:
      return name satisfies never;
  }
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
