import { Code, ConnectError } from '@connectrpc/connect';
import type { Call, Message } from '../cqrs/call.ts';
import { DeadlinePassed } from '../cqrs/errors.ts';

/** How a stream ended: its messages were all read, it failed, or its reader left before the end. */
export type StreamEnd = { readonly kind: 'complete' | 'left' } | { readonly kind: 'failed'; readonly error: unknown };

/** What the caller of a stream got that ended so. A reader leaves a stream because its call was cancelled or is past its deadline. */
export function errorOf(end: StreamEnd, { cancellation }: Call): unknown {
  if (end.kind === 'complete') return undefined;
  if (end.kind === 'failed') return end.error;
  return new ConnectError(
    'the reader left',
    cancellation.reason instanceof DeadlinePassed ? Code.DeadlineExceeded : Code.Canceled,
  );
}

/**
 * The same stream, with a report once it is over. It is no async generator: those cost promises for each message, and say nothing
 * when their reader leaves before the first.
 */
export function watchedStream(
  messages: AsyncIterable<Message>,
  report: (end: StreamEnd, count: number) => void,
): AsyncIterable<Message> {
  return { [Symbol.asyncIterator]: () => watchedIterator(messages[Symbol.asyncIterator](), report) };
}

function watchedIterator(
  messages: AsyncIterator<Message>,
  report: (end: StreamEnd, count: number) => void,
): AsyncIterator<Message> {
  let count = 0;
  let over = false;

  function end(how: StreamEnd): void {
    if (over) return;
    over = true;
    report(how, count);
  }

  function received(result: IteratorResult<Message>): IteratorResult<Message> {
    if (result.done) end({ kind: 'complete' });
    else count++;
    return result;
  }

  function failed(error: unknown): never {
    end({ kind: 'failed', error });
    throw error;
  }

  return {
    next: () => messages.next().then(received, failed),
    async return(value) {
      try {
        return (await messages.return?.(value)) ?? { done: true, value };
      } finally {
        end({ kind: 'left' });
      }
    },
  };
}
