import type { Interceptor } from '@connectrpc/connect';
import { type Answer, answerOf, type ConnectResponse, toResponse } from '../cqrs/answer.ts';
import { type Call, callOf, type Message } from '../cqrs/call.ts';
import { DeadlinePassed } from '../cqrs/errors.ts';

/** The longest delay that setTimeout keeps; a later deadline (24 days) needs no timer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Ends a call when its deadline passes or its caller gives up, and answers at once with DeadlinePassed or CallCanceled: what the
 * handler still does learns of it by the call's signal, and is not waited for.
 *
 * A unary call gets `maxUnaryMs` at most, whatever its deadline. A stream may run as long as its caller wants.
 */
export function deadline({ maxUnaryMs = 30_000 }: { maxUnaryMs?: number } = {}): Interceptor {
  return (next) => async (request) => {
    const call = callOf(request);
    const now = Date.now();
    const asked = call.origin.deadline ?? Number.POSITIVE_INFINITY;
    if (asked <= now) call.cancellation.cancel(new DeadlinePassed());
    if (call.cancellation.reason) throw call.cancellation.reason;

    const limitMs = call.stream ? asked - now : Math.min(asked - now, maxUnaryMs);
    const timer = limitMs > LONGEST_TIMER_MS ? undefined : setTimeout(passDeadline, limitMs, call);
    try {
      const response = await unlessCanceled(call, next(request));
      if (!response.stream) clearTimeout(timer);
      else return toResponse(limited(call, answerOf(response) as Answer<AsyncIterable<Message>>, timer));
      return response;
    } catch (error) {
      clearTimeout(timer);
      throw error;
    }
  };
}

function passDeadline(call: Call): void {
  call.cancellation.cancel(new DeadlinePassed());
}

function unlessCanceled(call: Call, response: Promise<ConnectResponse>): Promise<ConnectResponse> {
  return new Promise((resolve, reject) => {
    call.cancellation.onCancel(reject);
    if (call.cancellation.reason) reject(call.cancellation.reason);
    response.then(resolve, reject);
  });
}

/** The stream, ended by the call's cancellation even while its next message is awaited. */
function limited(
  call: Call,
  answer: Answer<AsyncIterable<Message>>,
  timer: NodeJS.Timeout | undefined,
): Answer<AsyncIterable<Message>> {
  const source = answer.message[Symbol.asyncIterator]();
  let rejectPending: ((reason: Error) => void) | undefined;
  call.cancellation.onCancel((reason) => {
    clearTimeout(timer);
    rejectPending?.(reason);
    // A generator that awaits something returns only after that; nobody waits for it, and the caller has its answer.
    source.return?.().catch(() => undefined);
  });

  const next = (): Promise<IteratorResult<Message>> =>
    new Promise((resolve, reject) => {
      if (call.cancellation.reason) return reject(call.cancellation.reason);
      rejectPending = reject;
      source.next().then((result) => {
        if (result.done) clearTimeout(timer);
        resolve(result);
      }, reject);
    });
  const iterator: AsyncIterator<Message> = {
    next,
    return: async (value) => {
      clearTimeout(timer);
      await source.return?.();
      return { done: true, value };
    },
  };
  return answer.withMessage({ [Symbol.asyncIterator]: () => iterator });
}
