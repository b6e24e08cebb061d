import type { Answer } from './answer.ts';
import type { Message } from './call.ts';

/** How a stream ended: its messages were all read, it failed, or its reader left before the end. */
export type StreamEnd = { readonly kind: 'complete' | 'left' } | { readonly kind: 'failed'; readonly error: unknown };

/**
 * The same stream, with a report once it is over, and of its first message. It is no async generator: those cost promises for each message, and say nothing
 * when their reader leaves before the first.
 */
export function watchedStream(
  messages: AsyncIterable<Message>,
  report: (end: StreamEnd, count: number) => void,
  onFirst: () => void = () => {},
): AsyncIterable<Message> {
  return { [Symbol.asyncIterator]: () => watchedIterator(messages[Symbol.asyncIterator](), report, onFirst) };
}

/** The same for the answer to a streaming rpc. */
export function watchedAnswer(answer: Answer, report: (end: StreamEnd, count: number) => void): Answer {
  return answer.withMessage(watchedStream(answer.message as AsyncIterable<Message>, report));
}

function watchedIterator(
  messages: AsyncIterator<Message>,
  report: (end: StreamEnd, count: number) => void,
  onFirst: () => void,
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
    else if (++count === 1) onFirst();
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
