import { createHmac } from 'node:crypto';
import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { type Call, callOf } from '../cqrs/call.ts';
import { methodName } from '../cqrs/convention.ts';
import { DomainError, GuessesThrottled } from '../cqrs/errors.ts';
import { guessLimitOf } from '../cqrs/limits.ts';
import type { Guesses } from '../postgres/guesses.ts';
import { translateSqlError } from '../postgres/sql-errors.ts';

interface Limit {
  /** What a call guesses at, as the table of guesses knows it. */
  readonly target: (call: Call) => Buffer;
  readonly reasons: ReadonlySet<string>;
}

export interface GuessLimitParts {
  readonly guesses: Pick<Guesses, 'begin' | 'forget' | 'takeBack'>;
  /** Of 32 bytes, the same on every instance. */
  readonly key: Buffer;
  /** Told why an attempt stays counted that should not: its call is over, and its outcome stands. */
  readonly report: (error: unknown) => void;
}

/**
 * Slows down guessing at a secret, for rpcs that say so in their contract (`cqrs.v1.guess_limit`). Guesses are counted by what is
 * guessed at, whether it exists or not, so that the answer and its time tell nothing of that. A call during a block fails with
 * GuessesThrottled and counts for nothing; a right guess starts the count again.
 *
 * The attempt is counted first and outside of the command's transaction: calls side by side cannot guess more often than calls one
 * after the other, and a rollback forgets nothing. `key` keeps the table free of names that could be read or tried out.
 */
export function guessLimit({ guesses, key, report }: GuessLimitParts): Interceptor {
  const limits = new Map<DescMethod, Limit | undefined>();

  function limitOf(method: DescMethod): Limit | undefined {
    if (limits.has(method)) return limits.get(method);
    const limit = limitFor(method, key);
    limits.set(method, limit);
    return limit;
  }

  return (next) => {
    const guess = async (request: Parameters<typeof next>[0], { target: targetOf, reasons }: Limit) => {
      const call = callOf(request);
      const target = targetOf(call);
      const attempt = await guesses.begin(target, call.cancellation).catch((error: unknown) => {
        throw translateSqlError(error);
      });
      if (!attempt.admitted) throw new GuessesThrottled(attempt.retryAfterMs);
      try {
        const response = await next(request);
        await guesses.forget(target).catch(report);
        return response;
      } catch (error) {
        const wrong = error instanceof DomainError && reasons.has(error.reason);
        if (!wrong) await guesses.takeBack(target, attempt.blockedUntil).catch(report);
        throw error;
      }
    };
    return (request) => {
      const limit = limitOf(request.method);
      return limit ? guess(request, limit) : next(request);
    };
  };
}

function limitFor(method: DescMethod, key: Buffer): Limit | undefined {
  const limit = guessLimitOf(method);
  const field = method.input.fields.find(({ name }) => name === limit?.target)?.localName;
  if (!limit || field === undefined) return undefined;
  const name = methodName(method);
  return {
    target: ({ request }) => {
      const value = String((request as unknown as Record<string, unknown>)[field]).toLowerCase();
      return createHmac('sha256', key).update(`${name}\0${value}`).digest();
    },
    reasons: new Set(limit.reasons),
  };
}
