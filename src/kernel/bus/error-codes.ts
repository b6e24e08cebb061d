import { Code, ConnectError } from '@connectrpc/connect';
import { DomainError, type ErrorKind } from './errors.ts';

/** The code that each kind of error is answered with. */
export const CODES: Readonly<Record<ErrorKind, Code>> = {
  invalid: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  denied: Code.PermissionDenied,
  'not-found': Code.NotFound,
  'already-exists': Code.AlreadyExists,
  precondition: Code.FailedPrecondition,
  conflict: Code.Aborted,
  'too-large': Code.ResourceExhausted,
  overloaded: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
  deadline: Code.DeadlineExceeded,
  canceled: Code.Canceled,
  unimplemented: Code.Unimplemented,
  'data-loss': Code.DataLoss,
  internal: Code.Internal,
  unknown: Code.Unknown,
};

/** The code by which callers see an error. */
export function codeOf(error: unknown): Code {
  if (error instanceof ConnectError) return error.code;
  return error instanceof DomainError ? CODES[error.kind] : Code.Internal;
}
