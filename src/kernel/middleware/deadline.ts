import type { Answer } from '../bus/answer.ts';
import type { Call, Message } from '../bus/call.ts';
import { DeadlinePassed } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware, type Need, type Next } from '../bus/middleware.ts';

const NEEDS: readonly Need[] = [{ name: 'errors', because: 'a call past its deadline gets a typed error' }];

/** The longest delay that setTimeout keeps; a later deadline (24 days) needs no timer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Ends a call when its deadline passes or its caller gives up, and answers at once with DeadlinePassed or CallCanceled: what the
 * handler still does learns of it by the call's signal, and is not waited for.
 *
 * A unary call gets `maxUnaryMs` at most, whatever its deadline. A stream may run as long as its caller wants.
 */
export function deadline({ maxUnaryMs = 30_000 }: { maxUnaryMs?: number } = {}): Middleware {
  const around =
    (mostMs: number): Around =>
    (next) =>
    (call) => {
      const remainingMs = (call.origin.deadline ?? Number.POSITIVE_INFINITY) - Date.now();
      if (remainingMs <= 0) call.cancellation.cancel(new DeadlinePassed());
      if (call.cancellation.reason) return Promise.reject(call.cancellation.reason);
      return answeredWithin(Math.min(remainingMs, mostMs), call, next);
    };
  return busMiddleware('deadline', (_, kind) => around(kind === 'stream' ? Number.POSITIVE_INFINITY : maxUnaryMs), NEEDS);
}

function answeredWithin(limitMs: number, call: Call, next: Next): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = limitMs > LONGEST_TIMER_MS ? undefined : setTimeout(passDeadline, limitMs, call);
    const fail = (reason: unknown): void => {
      clearTimeout(timer);
      reject(reason);
    };
    call.cancellation.onCancel(fail);
    next(call).then((answer) => {
      if (call.stream) {
        resolve(limited(call, answer as Answer<AsyncIterable<Message>>, timer));
      } else {
        clearTimeout(timer);
        resolve(answer);
      }
    }, fail);
  });
}

function passDeadline(call: Call): void {
  call.cancellation.cancel(new DeadlinePassed());
}

/** The stream, ended by the call's cancellation even while its next message is awaited. */
function limited(
  call: Call,
  answer: Answer<AsyncIterable<Message>>,
  timer: NodeJS.Timeout | undefined,
): Answer<AsyncIterable<Message>> {
  const { cancellation } = call;
  const source = answer.message[Symbol.asyncIterator]();
  let rejectPending: ((reason: Error) => void) | undefined;
  const end = (reason: Error): void => {
    rejectPending?.(reason);
    // A generator that awaits something returns only after that, so nobody waits for it once the call is canceled.
    source.return?.().catch(() => undefined);
  };
  cancellation.onCancel(end);
  if (cancellation.reason) end(cancellation.reason);

  const next = (): Promise<IteratorResult<Message>> =>
    new Promise((resolve, reject) => {
      if (cancellation.reason) return reject(cancellation.reason);
      rejectPending = reject;
      source.next().then(
        (result) => {
          if (result.done) clearTimeout(timer);
          resolve(result);
        },
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  const leave = async (value: unknown): Promise<IteratorResult<Message>> => {
    clearTimeout(timer);
    if (!cancellation.reason) await source.return?.();
    return { done: true, value };
  };
  return answer.withMessage({ [Symbol.asyncIterator]: () => ({ next, return: leave }) });
}
