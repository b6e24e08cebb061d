import type { ServerInterceptor } from '@grpc/grpc-js';
import type { MessageLimits } from '../message-limits.ts';

/** Where grpc-js keeps its one limit; the version is pinned, and a test fails if it is no longer there. */
interface LimitedCall {
  /** Of a message before it is unpacked. */
  readonly decoder: { maxReadMessageLength: number };
  /** Of what a message unpacks to. */
  maxReceiveMessageSize: number;
}

/** Gives each rpc the limit of its own contract; grpc-js has one for the whole server. */
export function limitMessages(limits: MessageLimits): ServerInterceptor {
  return ({ path }, call) => {
    const limited = call as unknown as LimitedCall;
    limited.maxReceiveMessageSize = limits.of(path);
    limited.decoder.maxReadMessageLength = limits.of(path);
    return call as ReturnType<ServerInterceptor>;
  };
}
