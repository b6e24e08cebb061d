import { Code, ConnectError } from '@connectrpc/connect';
import { DeadlinePassed, MalformedRequest } from '../cqrs/errors.ts';
import { BUS_DOMAIN, errorInfo, toConnectError, type UnexpectedErrors } from '../middleware/errors.ts';

/** How a protocol library answered a call that it did not pass to the bus. */
export interface LibraryError {
  readonly code: Code;
  readonly message: string;
}

/**
 * The library's answer as an error of the bus, the same at every door. `malformed` says that the caller's bytes are to blame;
 * the libraries call that INTERNAL in places.
 */
export function refusal(
  error: LibraryError,
  { malformed, maxMessageBytes, unexpected }: { malformed: boolean; maxMessageBytes: number; unexpected: UnexpectedErrors },
): ConnectError {
  if (malformed) return toConnectError(new MalformedRequest(error), undefined, unexpected);
  switch (error.code) {
    case Code.ResourceExhausted:
      return refuse(Code.ResourceExhausted, `the request message is larger than ${maxMessageBytes} bytes`, {
        reason: 'MESSAGE_TOO_LARGE',
        metadata: { max_bytes: String(maxMessageBytes) },
      });
    case Code.InvalidArgument:
      return refuse(Code.InvalidArgument, withoutValues(error.message).slice(0, 500), { reason: 'MALFORMED_REQUEST' });
    case Code.Unimplemented:
      return refuse(Code.Unimplemented, error.message.slice(0, 500), { reason: 'NOT_IMPLEMENTED' });
    case Code.DeadlineExceeded:
      return toConnectError(new DeadlinePassed(), undefined, unexpected);
    default:
      return toConnectError(error, undefined, unexpected);
  }
}

/** What is wrong where, as protobuf-es says it of JSON. */
const JSON_PROBLEM =
  /^cannot decode \w+ \S+ from JSON(: (key "[^"]*" is unknown|expected \w+( \(\w+\))?|maximum recursion depth of \d+ reached))?/;

/** Leaves out the value that was refused or the text around a syntax error: either can be a password. */
function withoutValues(message: string): string {
  if (!message.startsWith('cannot decode')) return message;
  const [problem = 'cannot decode the JSON'] = JSON_PROBLEM.exec(message) ?? [];
  return problem;
}

/** Nothing is served under this name. */
export function unknownMethod(path: string): ConnectError {
  const method = path.replace(/^\//, '').slice(0, 200);
  return refuse(Code.Unimplemented, `no such rpc: ${method}`, { reason: 'METHOD_UNKNOWN', metadata: { method } });
}

function refuse(code: Code, message: string, info: { reason: string; metadata?: Record<string, string> }): ConnectError {
  return new ConnectError(message.toWellFormed(), code, undefined, [errorInfo({ domain: BUS_DOMAIN, ...info })]);
}
