import { toBinary } from '@bufbuild/protobuf';
import type {
  handleBidiStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  ServerWritableStream,
  StatusObject,
} from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import type { Answer } from '../../bus/answer.ts';
import type { Rpc } from '../../bus/bus.ts';
import type { Message } from '../../bus/call.ts';
import type { Cancellation } from '../../bus/cancellation.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import type { CallsInFlight } from '../calls-in-flight.ts';
import type { TrustedProxies } from '../proxies/trusted-proxies.ts';
import { toMetadata } from './metadata.ts';
import { receive } from './receive.ts';
import { toStatus } from './status.ts';

export interface HandlerOptions {
  readonly inFlight: CallsInFlight;
  readonly unexpected: UnexpectedErrors;
  readonly proxies: TrustedProxies | undefined;
}

export function unaryHandler(rpc: Rpc, { inFlight, unexpected, proxies }: HandlerOptions): handleUnaryCall<Buffer, Buffer> {
  return (wire, respond) => {
    const refuse = (error: unknown): void => respond(statusOf(error, rpc, unexpected));
    try {
      const call = receive(rpc, wire, { inFlight, proxies });
      rpc.dispatch(call).then(
        (answer) => {
          inFlight.delete(call);
          try {
            const { headerIfAny, trailerIfAny } = answer;
            const bytes = answer.bytes ? bufferOf(answer.bytes) : encode(answer.method, answer.message as Message);
            const trailer = trailerIfAny && toMetadata(trailerIfAny);
            if (headerIfAny) wire.sendMetadata(toMetadata(headerIfAny));
            respond(null, bytes, trailer);
          } catch (error) {
            refuse(error);
          }
        },
        (error) => {
          inFlight.delete(call);
          refuse(error);
        },
      );
    } catch (error) {
      refuse(error);
    }
  };
}

/** For rpcs that answer with a stream, whether they take one or not. */
export function streamHandler(
  rpc: Rpc,
  { inFlight, unexpected, proxies }: HandlerOptions,
): handleBidiStreamingCall<Buffer, Buffer> & ((wire: ServerWritableStream<Buffer, Buffer>) => void) {
  return async (wire: AnswerStream) => {
    try {
      const call = receive(rpc, wire, { inFlight, proxies });
      try {
        const answer = (await rpc.dispatch(call)) as Answer<AsyncIterable<Message>>;
        // At once: the first message may take its time, and the caller wants to know that it is served.
        wire.sendMetadata(answer.headerIfAny ? toMetadata(answer.headerIfAny) : new Metadata());
        await writeAll(answer, wire, call.cancellation);
        wire.end(answer.trailerIfAny && toMetadata(answer.trailerIfAny));
      } finally {
        inFlight.delete(call);
      }
    } catch (error) {
      if (!wire.cancelled) wire.emit('error', statusOf(error, rpc, unexpected));
    }
  };
}

type AnswerStream = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

async function writeAll(answer: Answer<AsyncIterable<Message>>, wire: AnswerStream, cancellation: Cancellation): Promise<void> {
  for await (const message of answer.message) {
    if (wire.cancelled) return;
    if (!wire.write(encode(answer.method, message))) await writable(wire, cancellation);
  }
}

/** A slow reader holds the handler back, so that no more than a few messages wait in memory; one who reads nothing, until the call ends. */
function writable(wire: AnswerStream, cancellation: Cancellation): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      wire.off('drain', done);
      wire.off('close', done);
      forget();
      resolve();
    };
    const forget = cancellation.onCancel(done);
    wire.once('drain', done);
    wire.once('close', done);
    if (wire.destroyed || cancellation.reason) done();
  });
}

const encode = (method: Answer['method'], message: Message): Buffer => bufferOf(toBinary(method.output, message));

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);

/** The error as a status. One whose metadata gRPC cannot carry is itself an unexpected error. */
function statusOf(error: unknown, { method }: Rpc, unexpected: UnexpectedErrors): StatusObject {
  try {
    return toStatus(toConnectError(error, method, unexpected));
  } catch (cause) {
    return toStatus(toConnectError(cause, method, unexpected));
  }
}
