import { Code, type ConnectError } from '@connectrpc/connect';
import { BusError, DeadlinePassed, MalformedRequest } from '../cqrs/errors.ts';
import { toConnectError, typedError, type UnexpectedErrors } from '../middleware/errors.ts';

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
  if (malformed) return typedError(new MalformedRequest(error));
  switch (error.code) {
    case Code.ResourceExhausted:
      return typedError(new MessageTooLarge(maxMessageBytes));
    case Code.InvalidArgument:
      return typedError(new MalformedRequest(error, withoutValues(error.message)));
    case Code.Unimplemented:
      return typedError(new NotImplemented(error.message));
    case Code.DeadlineExceeded:
      return typedError(new DeadlinePassed());
    default:
      return toConnectError(error, undefined, unexpected);
  }
}

/** The request message is larger than `max_bytes`, the most that the contract of its rpc allows. */
class MessageTooLarge extends BusError {
  readonly reason = 'MESSAGE_TOO_LARGE';
  readonly kind = 'too-large';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(maxBytes: number) {
    super(`the request message is larger than ${maxBytes} bytes`);
    this.metadata = { max_bytes: String(maxBytes) };
  }
}

/** The call uses a part of the protocol that is not served, such as a compression that is not known here. */
class NotImplemented extends BusError {
  readonly reason = 'NOT_IMPLEMENTED';
  readonly kind = 'unimplemented';
}

/** No rpc has this name: it is misspelled, or of another version of the service. */
class MethodUnknown extends BusError {
  readonly reason = 'METHOD_UNKNOWN';
  readonly kind = 'unimplemented';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(method: string) {
    super(`no such rpc: ${method}`);
    this.metadata = { method };
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
  return typedError(new MethodUnknown(path.replace(/^\//, '').slice(0, 200)));
}
