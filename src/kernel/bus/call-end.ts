import { Code, ConnectError } from '@connectrpc/connect';
import type { Answer } from './answer.ts';
import type { Call, Message } from './call.ts';
import { DeadlinePassed } from './errors.ts';
import { reasonIn } from './typed-error.ts';
import { type StreamEnd, watchedStream } from './watched-stream.ts';

/** How a call ended, as its caller sees it. */
export interface CallEnd {
  /** Undefined when it was answered; a ConnectError, or a defect of the middleware. */
  readonly error: unknown;
  /** Of a stream: how many messages it sent. */
  readonly messages?: number;
}

/**
 * Makes the call and reports its end, once, with the answer if it is unary: of a stream, when its last message was read, it failed, or its reader left. For middleware
 * outside of the errors middleware.
 */
export function untilItsEnd(
  call: Call,
  make: () => Promise<Answer>,
  report: (end: CallEnd, answer?: Answer) => void,
  onFirstMessage?: () => void,
): Promise<Answer> {
  return make().then(
    (answer) => {
      if (!call.stream) {
        report(ANSWERED, answer);
        return answer;
      }
      const ended = (end: StreamEnd, messages: number): void => report({ error: errorOf(end, call), messages });
      return answer.withMessage(watchedStream(answer.message as AsyncIterable<Message>, ended, onFirstMessage));
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
  return error instanceof ConnectError ? reasonIn(error) : undefined;
}
