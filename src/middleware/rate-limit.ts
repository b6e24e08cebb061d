import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { RateLimiterRes } from 'rate-limiter-flexible';
import { callOf } from '../cqrs/call.ts';
import { RateLimited } from '../cqrs/errors.ts';
import { rateLimitOf } from '../cqrs/limits.ts';
import { callerKey } from './caller-key.ts';
import type { RateCounter, RateCounters, RateOverrides } from './rates.ts';

interface Limit {
  readonly rateClass: string;
  readonly counter: RateCounter;
}

/**
 * Lets a caller's calls of a class pass up to its rate, from the contract (`cqrs.v1.rate_limit`) or the overrides; a call beyond
 * fails with RateLimited, which says when the period ends. An rpc without a rate is not counted.
 */
export function rateLimit({ counters, overrides }: { counters: RateCounters; overrides: RateOverrides }): Interceptor {
  const byMethod = new Map<DescMethod, Limit | undefined>();
  const byClass = new Map<string, Limit>();

  function limitOf(method: DescMethod): Limit | undefined {
    if (byMethod.has(method)) return byMethod.get(method);
    const limit = limitFor(method);
    byMethod.set(method, limit);
    return limit;
  }

  function limitFor(method: DescMethod): Limit | undefined {
    const contract = rateLimitOf(method);
    if (!contract) return undefined;
    const rate = overrides.get(contract.class) ?? contract;
    if (rate === 'off') return undefined;
    const known = byClass.get(contract.class);
    if (known) return known;
    const limit = { rateClass: contract.class, counter: counters(contract.class, rate) };
    byClass.set(contract.class, limit);
    return limit;
  }

  return (next) => (request) => {
    const call = callOf(request);
    const limit = limitOf(call.method);
    const caller = limit && callerKey(call);
    if (!limit || caller === undefined) return next(request);
    return limit.counter.consume(caller).then(
      () => next(request),
      (refusal) => {
        throw refusal instanceof RateLimiterRes ? new RateLimited(limit.rateClass, refusal.msBeforeNext) : refusal;
      },
    );
  };
}
