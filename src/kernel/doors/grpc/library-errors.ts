import type { Code } from '@connectrpc/connect';
import { type ServerInterceptingCallInterface, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { UnexpectedErrors } from '../../middleware/errors.ts';
import type { MessageLimits } from '../message-limits.ts';
import { refusal, type WireFault } from '../refusal.ts';
import { COMPRESSION_UNDECLARED, checkCompressionFlags, FLAG_UNKNOWN } from './compression-flags.ts';
import { STATUS_DETAILS, toStatus } from './status.ts';

type Status = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

/** The texts by which grpc-js, and the check of its flags, say what is wrong with what the caller sent. */
const FAULTS: readonly (readonly [RegExp, WireFault])[] = [
  [/^(Failed to decompress|Error deserializing)/, 'malformed'],
  [new RegExp(`^${FLAG_UNKNOWN}`), 'malformed'],
  [new RegExp(`^${COMPRESSION_UNDECLARED}`), 'compression-undeclared'],
  [/^Received (no|a second) request message/, 'not-one-message'],
];
/** Codes under which grpc-js itself ends a call; any other is an answer of a handler of its own services. */
const LIBRARY_CODES: ReadonlySet<status> = new Set([
  status.INTERNAL,
  status.RESOURCE_EXHAUSTED,
  status.UNIMPLEMENTED,
  status.UNKNOWN,
]);

interface Options {
  readonly messageLimits: MessageLimits;
  readonly unexpected: UnexpectedErrors;
}

/**
 * Gives the statuses that grpc-js makes on its own (message too large, broken compression) the code and the details they have at
 * every door.
 */
export function typedLibraryErrors(options: Options): ServerInterceptor {
  return ({ path }, call) => {
    checkCompressionFlags(call);
    // What the innermost call sends by itself passes no responder of an interceptor, only its own method.
    const send = call.sendStatus.bind(call);
    call.sendStatus = (sent) => send(isOwn(sent) ? typed(sent, { call, path, ...options }) : sent);
    return call as ReturnType<ServerInterceptor>;
  };
}

function isOwn({ code, metadata }: Status): boolean {
  return LIBRARY_CODES.has(code) && !metadata?.get(STATUS_DETAILS).length;
}

function typed(
  { code, details }: Status,
  { call, path, messageLimits, unexpected }: Options & { call: object; path: string },
): Status {
  const error = { code: code as number as Code, message: details };
  return toStatus(refusal(error, { fault: faultOf(details, call), maxMessageBytes: messageLimits.of(path), unexpected }));
}

function faultOf(details: string, call: object): WireFault | undefined {
  const [, fault] = FAULTS.find(([text]) => text.test(details)) ?? [];
  return fault === 'not-one-message' && isTruncated(call) ? 'malformed' : fault;
}

/** What of a message grpc-js has when the caller sends no more. Private, like its flags. */
function isTruncated(call: object): boolean {
  const { decoder } = call as { decoder?: { readState?: number } };
  return (decoder?.readState ?? 0) !== 0;
}
