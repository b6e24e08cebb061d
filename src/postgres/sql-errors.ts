import { Conflict, DatabaseUnavailable, Overloaded } from '../cqrs/errors.ts';

/**
 * SQLSTATEs of a transaction that lost against another and may be run again (PostgreSQL manual, Appendix A):
 * serialization_failure, deadlock_detected and lock_not_available.
 */
const CONFLICTS = new Set(['40001', '40P01', '55P03']);

/** admin_shutdown, crash_shutdown, cannot_connect_now, read_only_sql_transaction (a primary demoted) and all of class 08. */
const UNAVAILABLE = new Set(['57P01', '57P02', '57P03', '25006', '08000', '08001', '08003', '08004', '08006', '08007', '08P01']);

const TOO_MANY_CONNECTIONS = '53300';

const SOCKET_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EACCES',
]);

/** What `pg` says, without a code, when the connection breaks or none comes free in time. */
const BROKEN =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end|driver has already been destroyed)/;
const NONE_FREE = /^(timeout exceeded when trying to connect|too many calls are waiting for a connection)/;

/** The SQLSTATE or the errno of the first error in the chain of causes that has one. */
export function errorCode(error: unknown): string | undefined {
  for (let current = error; Error.isError(current); current = current.cause) {
    if ('code' in current && typeof current.code === 'string') return current.code;
  }
  return undefined;
}

/** The same failure as a typed error where the caller can act on it; anything else comes back as it is. */
export function translateSqlError(error: unknown): unknown {
  const code = errorCode(error);
  if (code !== undefined) {
    if (CONFLICTS.has(code)) return new Conflict(error);
    if (UNAVAILABLE.has(code) || SOCKET_ERRORS.has(code)) return new DatabaseUnavailable(error);
    if (code === TOO_MANY_CONNECTIONS) return new Overloaded('a database connection');
  }
  if (Error.isError(error)) {
    if (BROKEN.test(error.message)) return new DatabaseUnavailable(error);
    if (NONE_FREE.test(error.message)) return new Overloaded('a database connection');
  }
  return error;
}
