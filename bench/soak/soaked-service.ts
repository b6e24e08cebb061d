import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { TestApp } from '../../test/support/test-app.ts';
import { freePort, startProgram } from '../subjects/program.ts';
import { answersReady, ROOT, START } from '../subjects/start-subject.ts';

/** The service as `npm start` runs it, with a database of its own that is removed at the end. */
export interface SoakedService extends Pick<TestApp, 'client' | 'keyFile'>, AsyncDisposable {
  readonly pid: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly logFile: string;
  /** Of an admin, for half a day. */
  readonly operatorToken: string;
}

export async function startSoakedService(): Promise<SoakedService> {
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'bicameral-soak-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  // PostgreSQL passes through as a user of its own when this program is root.
  await chmod(folder, 0o711);

  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  const logFile = join(folder, 'service.log');
  const dataDir = join(folder, 'data');
  const environment = {
    DATA_DIR: dataDir,
    GRPC_ADDRESS: `127.0.0.1:${grpcPort}`,
    HTTP_ADDRESS: `127.0.0.1:${httpPort}`,
    METRICS_ADDRESS: '127.0.0.1:0',
    // All of the requests come from one address.
    RATE_LIMITS: 'sign-up=off,log-in=off,change-email=off',
    // Nothing here is about a machine that has no time to open a connection.
    LIMIT_DATABASE_WAIT_MS: '30000',
  };
  const { pid, stop } = await startProgram({
    arguments: START,
    cwd: ROOT,
    environment,
    logFile,
    isReady: () => answersReady(httpPort),
  });
  resources.defer(stop);

  const { stdout } = await promisify(execFile)(process.execPath, ['src/main.ts', 'token', '--role', 'admin', '--ttl', '12h'], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
  });
  const operatorToken = stdout.trim();
  const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${httpPort}`, httpVersion: '1.1' });
  const kept = resources.move();
  return {
    pid,
    grpcPort,
    httpPort,
    logFile,
    operatorToken,
    keyFile: join(dataDir, 'signing-key.pem'),
    client: (service, caller) => {
      if (!caller) return createClient(service, transport);
      return createClient(service, withToken(transport, 'token' in caller ? caller.token : operatorToken));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function withToken(transport: Transport, token: string): Transport {
  const known = (header: Parameters<Transport['unary']>[3]): Headers => {
    const headers = new Headers(header);
    headers.set('authorization', `Bearer ${token}`);
    return headers;
  };
  return {
    unary: (method, signal, timeoutMs, header, ...rest) => transport.unary(method, signal, timeoutMs, known(header), ...rest),
    stream: (method, signal, timeoutMs, header, ...rest) => transport.stream(method, signal, timeoutMs, known(header), ...rest),
  };
}
