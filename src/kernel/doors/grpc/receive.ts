import type { EventEmitter } from 'node:events';
import { create, fromBinary } from '@bufbuild/protobuf';
import type { Metadata, ServerDuplexStream, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import type { Rpc } from '../../bus/bus.ts';
import { Call, type CallOrigin, type Message } from '../../bus/call.ts';
import { CallCanceled, MalformedRequest } from '../../bus/errors.ts';
import type { CallsInFlight } from '../calls-in-flight.ts';
import type { TrustedProxies } from '../proxies/trusted-proxies.ts';
import { DEADLINE_KEY } from './http2-edge.ts';
import { headerValue, toHeaders } from './metadata.ts';

/** A call as grpc-js hands it over, its messages still bytes. */
export type WireCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>;

class GrpcOrigin implements CallOrigin {
  readonly door = 'grpc';
  readonly requestMethod = 'POST';
  readonly deadline: number | undefined;
  readonly #metadata: Metadata;
  /** Read while the connection is there: a call outlives it when its caller leaves, and its record has to name the caller still. */
  readonly #connection: string;
  readonly #proxies: TrustedProxies | undefined;

  constructor(wire: WireCall, { deadline, proxies }: { deadline: number | undefined; proxies: TrustedProxies | undefined }) {
    this.deadline = deadline;
    this.#metadata = wire.metadata;
    this.#connection = wire.getPeer();
    this.#proxies = proxies;
  }

  get peer(): string {
    if (!this.#proxies) return this.#connection;
    return this.#proxies.callerOf(this.#connection, headerValue(this.#metadata, this.#proxies.header));
  }
}

/**
 * The call that the wire carries, in flight until it is taken out of `inFlight`; until then its caller can cancel it.
 * Throws MalformedRequest.
 */
export function receive(
  rpc: Rpc,
  wire: WireCall,
  { inFlight, proxies }: { inFlight: CallsInFlight; proxies: TrustedProxies | undefined },
): Call {
  const { metadata } = wire;
  let deadline: number | undefined;
  const [received] = metadata.get(DEADLINE_KEY);
  if (received !== undefined) {
    deadline = Number(received);
    if (Number.isNaN(deadline))
      throw new MalformedRequest(undefined, 'the header grpc-timeout has to be 1 to 8 digits and a unit: H, M, S, m, u or n');
    metadata.remove(DEADLINE_KEY);
  }
  const call = new Call({
    method: rpc.method,
    ...('request' in wire
      ? { request: decode(rpc, wire.request) }
      : { request: create(rpc.method.input), requests: decodedMessages(rpc, wire) }),
    origin: new GrpcOrigin(wire, { deadline, proxies }),
    header: () => toHeaders(metadata),
    readHeader: (name) => headerValue(metadata, name),
    readHeaderNames: () => Object.keys(metadata.getMap()),
  });
  inFlight.add(call);
  // Emitted at the end of every call, answered or not.
  const ending: EventEmitter = wire;
  ending.on('cancelled', () => {
    if (inFlight.has(call)) call.cancellation.cancel(new CallCanceled());
  });
  return call;
}

/** Reads the next message when it is asked for. The stream stays open for the answer when nobody asks any more. */
async function* decodedMessages(rpc: Rpc, wire: ServerDuplexStream<Buffer, Buffer>): AsyncGenerator<Message> {
  for await (const bytes of wire.iterator({ destroyOnReturn: false })) yield decode(rpc, bytes);
}

function decode(rpc: Rpc, bytes: Buffer): Message {
  try {
    return fromBinary(rpc.method.input, bytes);
  } catch (error) {
    throw new MalformedRequest(error);
  }
}
