import { once } from 'node:events';
import type pg from 'pg';
import { bareConnection, sessionOf } from './pg-internals.ts';

/** How long the server may take, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Asks the server to stop the statement that a connection runs (CancelRequest, PostgreSQL manual 54.2.9), if `isWanted` still says so
 * once the server is reached. Resolves when the server has passed it on, or cannot be asked; never rejects.
 *
 * It begins no session: it needs no rights, works through a pooler, and when the server takes no more connections.
 */
export async function requestCancel(client: pg.PoolClient, isWanted: () => boolean): Promise<void> {
  const session = sessionOf(client);
  const { host, port, ssl, sslNegotiation, processID, secretKey } = session;
  const wire = bareConnection(session);
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
