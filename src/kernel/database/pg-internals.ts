import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import pg from 'pg';

/**
 * What `pg` has and its types leave out: the one place that reads it, and the list to check at each upgrade of `pg`.
 *
 * - of a client: `connection.stream`, `processID`, `secretKey`, `host`, `port`, `ssl`, `sslNegotiation`, `connectionParameters`, `_activeQuery`,
 *   `_sentQueryQueue` and `_queryQueue`;
 * - of a `pg.Connection`: `stream`, `connect`, `requestSsl` and `cancel`, and its events `connect`, `sslconnect` and `end`;
 * - of the connection that a `Submittable` gets: `WireConnection`. It is told what the server says by its methods `handle…`;
 * - of its module `utils`: `prepareValue`.
 */
interface ClientInternals {
  readonly connection: { readonly stream: ClientStream };
  readonly processID: number | null;
  readonly secretKey: number;
  readonly host: string;
  readonly port: number;
  readonly ssl: object | boolean;
  readonly sslNegotiation: string;
  readonly connectionParameters: { readonly application_name?: string };
  readonly _activeQuery: unknown;
  readonly _sentQueryQueue: readonly unknown[];
  readonly _queryQueue: readonly unknown[];
}

/** The socket of a client. */
export interface ClientStream {
  readonly bytesRead: number;
  readonly cork: () => void;
  readonly uncork: () => void;
  readonly destroy: (reason?: Error) => void;
}

/** A connection that has not begun a session, for a CancelRequest. */
export interface BareConnection extends EventEmitter {
  readonly stream: { destroy(): void };
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
}

/** The messages of the extended query protocol, of which several can go before one Sync. */
export interface WireConnection {
  readonly stream: Pick<ClientStream, 'cork' | 'uncork'>;
  readonly parse: (statement: { readonly name: string; readonly text: string }) => void;
  readonly describe: (named: { readonly type: 'S'; readonly name: string }) => void;
  readonly bind: (portal: { readonly statement: string; readonly values?: readonly (string | Buffer | null)[] }) => void;
  readonly execute: (portal: object) => void;
  readonly close: (named: { readonly type: 'S'; readonly name: string }) => void;
  readonly sync: () => void;
}

/** A column, as the server describes it. */
export interface FieldMessage {
  readonly name: string;
  readonly dataTypeID: number;
}

/** Has a parameter in the form of the wire, as `pg` sends it with its own statements. */
export const { prepareValue } = createRequire(import.meta.url)('pg/lib/utils.js') as {
  readonly prepareValue: (value: unknown) => string | Buffer | null;
};

type AnyClient = pg.ClientBase;

const internals = (client: AnyClient): ClientInternals => client as unknown as ClientInternals;

export const streamOf = (client: AnyClient): ClientStream => internals(client).connection.stream;

/** Whether a statement was sent, or is to be, and its answer has not come. */
export function hasUnanswered(client: AnyClient): boolean {
  const { _activeQuery, _sentQueryQueue, _queryQueue } = internals(client);
  return Boolean(_activeQuery) || _sentQueryQueue.length > 0 || _queryQueue.length > 0;
}

/** The number of the server's process, and where it is: what a CancelRequest needs. The number is 0 before there is a session. */
export function sessionOf(
  client: AnyClient,
): Pick<ClientInternals, 'host' | 'port' | 'ssl' | 'sslNegotiation' | 'secretKey'> & { readonly processID: number } {
  const { host, port, ssl, sslNegotiation, secretKey, processID } = internals(client);
  return { host, port, ssl, sslNegotiation, secretKey, processID: processID ?? 0 };
}

export const applicationName = (client: AnyClient): string => internals(client).connectionParameters.application_name ?? '';

export function bareConnection({ ssl, sslNegotiation }: Pick<ClientInternals, 'ssl' | 'sslNegotiation'>): BareConnection {
  return new pg.Connection({ ssl, sslNegotiation } as pg.ConnectionConfig) as unknown as BareConnection;
}
