import { base64Decode } from '@bufbuild/protobuf/wire';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { methodName } from '../../bus/convention.ts';
import { MalformedRequest } from '../../bus/errors.ts';
import { hasErrorInfo } from '../../bus/typed-error.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import type { MessageLimits } from '../message-limits.ts';
import { refusal, type WireFault } from '../refusal.ts';
import { wireKey } from './rpc.ts';

/** The texts by which Connect says what is wrong with what the caller sent. */
const FAULTS: readonly (readonly [RegExp, WireFault])[] = [
  [/^(parse binary|decompression failed)/, 'malformed'],
  [/^received compressed envelope/, 'compression-undeclared'],
  [/^protocol error: (missing|received extra) input message/, 'not-one-message'],
];

/** Looks at a request before Connect reads its message. */
export function requestGate(options: {
  messageLimits: MessageLimits;
  unexpected: UnexpectedErrors;
}): (context: HandlerContext) => void {
  return (context) => {
    const maxMessageBytes = options.messageLimits.of(`/${methodName(context.method)}`);
    typeLibraryErrors(context, { maxMessageBytes, unexpected: options.unexpected });
    if (context.requestMethod !== 'GET') return;
    // Answers depend on who asks and are out of date at once.
    context.responseHeader.set('cache-control', 'private, no-store');
    checkBase64(context, options.unexpected);
  };
}

/** The context as Connect holds it: it is told of each error just before that is encoded, in whatever protocol. */
type EndingContext = HandlerContext & { abort(reason?: unknown): void };

/**
 * Gives the errors that Connect makes on its own (a message too large or not readable) the code and the details they have at
 * every door. Not by the signal: once the deadline has passed, that tells of no later error.
 */
function typeLibraryErrors(context: HandlerContext, options: { maxMessageBytes: number; unexpected: UnexpectedErrors }): void {
  const ending = context as EndingContext;
  const wire = context.values.get(wireKey);
  const abort = ending.abort.bind(ending);
  ending.abort = (error) => {
    if (error instanceof ConnectError && ending.protocolName === 'connect') setRetryAfter(ending, error);
    // When the connection broke there is nobody to answer.
    if (error instanceof ConnectError && !hasErrorInfo(error) && error !== wire.signal.reason) {
      // Which compressions are known (gRPC's compression.md), a header that Connect makes and then takes for one of its own.
      for (const [name, value] of error.metadata) context.responseHeader.set(name, value);
      typeError(error, options);
    }
    abort(error);
  };
}

/** In streams, the status is sent before there is an error. */
function setRetryAfter({ method, responseHeader }: HandlerContext, error: ConnectError): void {
  const seconds = method.methodKind === 'unary' ? retryAfter(error) : undefined;
  if (seconds !== undefined) responseHeader.set('retry-after', seconds);
}

/** When to come back, for what between caller and service knows HTTP alone (RFC 9110, 10.2.3), in seconds. */
export function retryAfter(error: ConnectError): string | undefined {
  const [retry] = error.findDetails(RetryInfoSchema);
  return retry?.retryDelay && String(Math.ceil(durationMs(retry.retryDelay) / 1000));
}

function typeError(error: ConnectError, options: { maxMessageBytes: number; unexpected: UnexpectedErrors }): void {
  const { rawMessage: message } = error;
  const code = isTooLarge(error.cause) ? Code.ResourceExhausted : error.code;
  const [, fault] = code === Code.ResourceExhausted ? [] : (FAULTS.find(([text]) => text.test(message)) ?? []);
  const typed = refusal({ code, message }, { ...options, fault });
  Object.assign(error, { code: typed.code, rawMessage: typed.rawMessage, details: typed.details });
}

/** How zlib stops at the limit; Connect misses it when the error is of another JavaScript context. */
function isTooLarge(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_BUFFER_TOO_LARGE';
}

/** Connect would let the exception of a bad base64 text become INTERNAL. */
function checkBase64({ url }: HandlerContext, unexpected: UnexpectedErrors): void {
  const { searchParams } = new URL(url);
  if (searchParams.get('base64') !== '1') return;
  try {
    base64Decode(searchParams.get('message') ?? '');
  } catch (error) {
    throw toConnectError(new MalformedRequest(error), undefined, unexpected);
  }
}
