import { Code, ConnectError } from '@connectrpc/connect';
import { type ErrorInfo, ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { answerOf, type ConnectResponse, toResponse } from '../bus/answer.ts';
import type { Call, Message } from '../bus/call.ts';
import { DeadlinePassed } from '../bus/errors.ts';
import { type StreamEnd, watchedStream } from './watched-stream.ts';

/** How a call ended, as its caller sees it. */
export interface CallEnd {
  /** Undefined when it was answered; a ConnectError, or a defect of the middleware. */
  readonly error: unknown;
  /** Of a stream: how many messages it sent. */
  readonly messages?: number;
}

/**
 * Makes the call and reports its end, once: of a stream, when its last message was read, it failed, or its reader left. For middleware
 * outside of the errors middleware.
 */
export function untilItsEnd(
  call: Call,
  make: () => Promise<ConnectResponse>,
  report: (end: CallEnd) => void,
  onFirstMessage?: () => void,
): Promise<ConnectResponse> {
  return make().then(
    (response) => {
      if (!call.stream) {
        report(ANSWERED);
        return response;
      }
      const answer = answerOf(response);
      const ended = (end: StreamEnd, messages: number): void => report({ error: errorOf(end, call), messages });
      return toResponse(answer.withMessage(watchedStream(answer.message as AsyncIterable<Message>, ended, onFirstMessage)));
    },
    (error: unknown) => {
      report({ error });
      throw error;
    },
  );
}

const ANSWERED: CallEnd = { error: undefined };

/** A reader leaves a stream because its call was cancelled or is past its deadline. */
function errorOf(end: StreamEnd, { cancellation }: Call): unknown {
  if (end.kind === 'complete') return undefined;
  if (end.kind === 'failed') return end.error;
  return new ConnectError(
    'the reader left',
    cancellation.reason instanceof DeadlinePassed ? Code.DeadlineExceeded : Code.Canceled,
  );
}

/** The code of an end; undefined when it was answered. */
export function endCode({ error }: CallEnd): Code | undefined {
  if (error === undefined) return undefined;
  return error instanceof ConnectError ? error.code : Code.Unknown;
}

/** The `reason` of the error's google.rpc.ErrorInfo (AIP-193). */
export function endReason({ error }: CallEnd): string | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  for (const detail of error.details) {
    if ('desc' in detail && detail.desc.typeName === ErrorInfoSchema.typeName) return (detail.value as Partial<ErrorInfo>).reason;
  }
  return undefined;
}
