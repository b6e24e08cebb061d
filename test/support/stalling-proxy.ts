import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Connection } from '../../src/kernel/database/connection.ts';

/** A TCP proxy before a database that can stop passing bytes without closing anything, as networks do. */
export interface StallingProxy extends AsyncDisposable {
  /** The same database, through the proxy. */
  readonly through: (connection: Connection) => Connection;
  /** From now on nothing passes on the connections that are open. New ones are passed on, unless `all`. */
  readonly stall: (options?: { all: boolean }) => void;
  /** New connections go there, as after a switchover that moved a name; those that are open stay where they are. */
  readonly moveTo: (target: Connection) => void;
  /** Closes what is open. */
  readonly disconnect: () => void;
}

export async function startStallingProxy(first: Connection): Promise<StallingProxy> {
  let target = first;
  const pairs = new Set<readonly [Socket, Socket]>();
  let stallsAll = false;
  const server = createServer((client) => {
    const { host = '', port = 5432 } = target;
    const upstream = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    if (stallsAll) return;
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => client.write(bytes));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    through: (connection) => ({ ...connection, host: '127.0.0.1', port }),
    stall({ all } = { all: false }) {
      stallsAll = all;
      for (const pair of pairs) for (const socket of pair) socket.removeAllListeners('data').pause();
    },
    moveTo(next) {
      target = next;
    },
    disconnect() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
