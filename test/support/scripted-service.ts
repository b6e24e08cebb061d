import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';

/** A service that answers as a test says, for clients whose service has to be in a state that is hard to bring about. */
export interface ScriptedService extends AsyncDisposable {
  /** The environment of a command line that calls it. */
  readonly environment: { readonly GRPC_ADDRESS: string; readonly HTTP_ADDRESS: string; readonly AUTH_SIGNING_KEY_FILE: string };
}

export async function startScriptedService(routes: (router: ConnectRouter) => void): Promise<ScriptedService> {
  const folder = await mkdtemp(join(tmpdir(), 'bicameral-scripted-'));
  const keyFile = join(folder, 'signing-key.pem');
  await loadOrCreateSigningKey(keyFile);
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(connectNodeAdapter({ routes }));
  server.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    environment: { GRPC_ADDRESS: address, HTTP_ADDRESS: '127.0.0.1:1', AUTH_SIGNING_KEY_FILE: keyFile },
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    },
  };
}
