import { type EventEmitter, once } from 'node:events';
import pg from 'pg';

/** How long the server may take, in milliseconds. */
const PATIENCE = 2_000;

/** What `pg` has and its types leave out. */
interface Session {
  readonly host: string;
  readonly port: number;
  readonly ssl: object | boolean;
  readonly sslNegotiation: string;
  readonly processID: number;
  readonly secretKey: number;
}
interface Wire extends EventEmitter {
  readonly stream: { destroy(): void };
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

/**
 * Asks the server to stop the statement that a connection runs (CancelRequest, PostgreSQL manual 54.2.9), if `isWanted` still says so
 * once the server is reached. Resolves when the server has passed it on, or cannot be asked; never rejects.
 *
 * It begins no session: it needs no rights, works through a pooler, and when the server takes no more connections.
 */
export async function requestCancel(client: pg.PoolClient, isWanted: () => boolean): Promise<void> {
  const { host, port, ssl, sslNegotiation, processID, secretKey } = client as unknown as Session;
  const wire = new pg.Connection({ ssl, sslNegotiation } as pg.ConnectionConfig) as unknown as Wire;
  const ask = (): void => {
    if (isWanted()) wire.cancel(processID, secretKey);
    else wire.stream.destroy();
  };
  wire.on('error', () => {});
  wire.on('connect', () => {
    if (!ssl) ask();
    else if (sslNegotiation !== 'direct') wire.requestSsl();
  });
  wire.on('sslconnect', ask);
  const late = setTimeout(() => wire.stream.destroy(), PATIENCE);
  const ended = once(wire, 'end').catch(() => {});
  if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`);
  else wire.connect(port, host);
  // The server hangs up when it has signaled the process.
  await ended;
  clearTimeout(late);
}
