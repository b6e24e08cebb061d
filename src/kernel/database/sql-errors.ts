import { Conflict, DatabaseUnavailable, Overloaded } from '../bus/errors.ts';
import { isSqlState, leavesSessionUsable, meaningOfSqlState, type SqlMeaning } from './sql-states.ts';

const TOO_MANY_CONNECTIONS = '53300';

/** Errors of sockets and of the look-up of names. */
const SOCKET_ERRORS = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENFILE',
  'ENOENT',
  'ENOTCONN',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
]);

/** What `pg` says, without a code, when the connection breaks or none comes free in time. */
const BROKEN =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end|driver has already been destroyed|Query read timeout|timeout expired)/;
const NONE_FREE = /^(timeout exceeded when trying to connect|too many calls are waiting for a connection)/;

/** No connection could be opened; the cause says why. */
export class NotConnected extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'NotConnected';
  }
}

/** The database as a whole does not answer, and its connections were broken off: there is no use in asking it again at once. */
export class DatabaseSilent extends Error {
  constructor() {
    super('the database does not respond');
    this.name = 'DatabaseSilent';
  }
}

/** The SQLSTATE or the errno of the first error in the chain of causes that has one. */
export function errorCode(error: unknown): string | undefined {
  for (let current = error; Error.isError(current); current = current.cause) {
    if ('code' in current && typeof current.code === 'string') return current.code;
  }
  return undefined;
}

/** The SQLSTATE, when the error is one that PostgreSQL reported. */
export function sqlState(error: unknown): string | undefined {
  const code = errorCode(error);
  return code !== undefined && isSqlState(code) ? code : undefined;
}

/** What the failure means to the call; undefined when it is none of the database. */
export function meaningOf(error: unknown): SqlMeaning | undefined {
  const code = errorCode(error);
  const isRefusal = error instanceof NotConnected;
  if (code !== undefined && isSqlState(code)) {
    const meaning = meaningOfSqlState(code);
    // Who is not let in has no statement that could be wrong.
    return isRefusal && meaning !== 'overloaded' ? 'unavailable' : meaning;
  }
  if (isRefusal || error instanceof DatabaseSilent || (code !== undefined && SOCKET_ERRORS.has(code))) return 'unavailable';
  if (!Error.isError(error)) return undefined;
  if (BROKEN.test(error.message)) return 'unavailable';
  return NONE_FREE.test(error.message) ? 'overloaded' : undefined;
}

/** Whether the connection that the error came from can run another statement. */
export function leavesConnectionUsable(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined || !Error.isError(error)) return false;
  return 'severity' in error && error.severity === 'ERROR' && leavesSessionUsable(state);
}

/** Whether the statement failed because its connection was gone: the server had ended it, or the network had. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof NotConnected || error instanceof DatabaseSilent) return false;
  const state = sqlState(error);
  if (state !== undefined) return /^(57P0[12]|57P05|25P03|08...)$/.test(state);
  return meaningOf(error) === 'unavailable' && !/^Cannot use a pool/.test((error as Error).message);
}

/** The same failure as a typed error where the caller can act on it; anything else comes back as it is. */
export function translateSqlError(error: unknown): unknown {
  switch (meaningOf(error)) {
    case 'conflict':
      return new Conflict(error);
    case 'unavailable':
      return new DatabaseUnavailable(error);
    case 'overloaded': {
      const state = sqlState(error);
      return new Overloaded(state === undefined || state === TOO_MANY_CONNECTIONS ? 'a database connection' : 'the database');
    }
    default:
      return error;
  }
}
