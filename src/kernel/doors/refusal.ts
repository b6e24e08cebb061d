import { Code, type ConnectError } from '@connectrpc/connect';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { DeadlinePassed, domainError, MalformedRequest } from '../bus/errors.ts';
import { typedError } from '../bus/typed-error.ts';
import { toConnectError, type UnexpectedErrors } from '../middleware/errors.ts';

/** How a protocol library answered a call that it did not pass to the bus. */
export interface LibraryError {
  readonly code: Code;
  readonly message: string;
}

/**
 * What is wrong with the bytes that a caller sent, where the code of the library does not say it: they are no message, they are flagged
 * as compressed in a call that names no compression, or they are not the one message that the rpc takes.
 */
export type WireFault = 'malformed' | 'compression-undeclared' | 'not-one-message';

/** The library's answer as an error of the bus, the same at every door. */
export function refusal(
  error: LibraryError,
  { fault, maxMessageBytes, unexpected }: { fault: WireFault | undefined; maxMessageBytes: number; unexpected: UnexpectedErrors },
): ConnectError {
  switch (fault) {
    case 'malformed':
      return typedError(new MalformedRequest(error));
    case 'compression-undeclared':
      return typedError(new CompressionUndeclared());
    case 'not-one-message':
      return typedError(new NotImplemented('an rpc takes one request message: streams of requests are not served'));
    case undefined:
      return byCode(error, maxMessageBytes, unexpected);
  }
}

function byCode(error: LibraryError, maxMessageBytes: number, unexpected: UnexpectedErrors): ConnectError {
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

class MessageTooLarge extends domainError(ReasonSchema, Reason.MESSAGE_TOO_LARGE) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(maxBytes: number) {
    super(`the request message is larger than ${maxBytes} bytes`);
    this.metadata = { max_bytes: String(maxBytes) };
  }
}

class RequestTimedOut extends domainError(ReasonSchema, Reason.REQUEST_TIMED_OUT) {
  constructor() {
    super('the request did not arrive in full in time');
  }
}

class NotImplemented extends domainError(ReasonSchema, Reason.NOT_IMPLEMENTED) {}

class CompressionUndeclared extends domainError(ReasonSchema, Reason.COMPRESSION_UNDECLARED) {
  constructor() {
    super('a message is flagged as compressed, but the call names no compression');
  }
}

class HttpVerbUnsupported extends domainError(ReasonSchema, Reason.HTTP_VERB_UNSUPPORTED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(allow: string) {
    super(`this HTTP verb is not allowed here; allowed: ${allow}`);
    this.metadata = { allow };
  }
}

class ContentTypeUnsupported extends domainError(ReasonSchema, Reason.CONTENT_TYPE_UNSUPPORTED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(accept: string) {
    super(`the content type is not served; served: ${accept}`);
    this.metadata = { accept };
  }
}

class MethodUnknown extends domainError(ReasonSchema, Reason.METHOD_UNKNOWN) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(method: string) {
    super(`no such rpc: ${method}`);
    this.metadata = { method };
  }
}

class PageUnknown extends domainError(ReasonSchema, Reason.PAGE_UNKNOWN) {
  constructor(whereElse: string) {
    super(`no such page: ${whereElse}`);
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

/** For a request of which nobody could say whom it addresses. */
export function severalHosts(): ConnectError {
  return typedError(new MalformedRequest(undefined, 'a request has one Host header'));
}

/** `whereElse` says where the pages are. */
export function unknownPage(whereElse: string): ConnectError {
  return typedError(new PageUnknown(whereElse));
}

/** For a request that stops coming in. */
export function requestTimedOut(): ConnectError {
  return typedError(new RequestTimedOut());
}

export function unsupportedVerb(allowed: readonly string[]): ConnectError {
  return typedError(new HttpVerbUnsupported(allowed.join(', ')));
}

export function unsupportedContentType(served: readonly string[]): ConnectError {
  return typedError(new ContentTypeUnsupported(served.join(', ')));
}

export function unsupportedCompression(served: readonly string[]): ConnectError {
  return typedError(new NotImplemented(`the compression is unknown; known: ${served.join(', ')}`));
}
