import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { RateLimiterRes } from 'rate-limiter-flexible';
import { accessRule } from '../bus/access.ts';
import { callOf } from '../bus/call.ts';
import { principalOf } from '../bus/context-keys.ts';
import { RateLimited } from '../bus/errors.ts';
import { rateLimitOf } from '../bus/limits.ts';
import { networkOf } from '../bus/network.ts';
import type { RateCounter, RateCounters, RateOverrides } from '../database/limits/rates.ts';

interface Limit {
  readonly rateClass: string;
  readonly counter: RateCounter;
}

export interface RateLimitParts {
  readonly counters: RateCounters;
  readonly overrides: RateOverrides;
}

/**
 * Lets a caller's calls of a class pass up to its rate, from the contract (`cqrs.v1.rate_limit`) or the overrides; a call beyond
 * fails with RateLimited, which says when the period ends. An rpc without a rate is not counted.
 *
 * There are two of it. Calls of rpcs that anybody may call are counted by `network`, before anybody looks at their token or their request:
 * neither buys another count. Calls of all other rpcs are counted by `principal`.
 */
export function rateLimit({ counters, overrides }: RateLimitParts, by: 'network' | 'principal'): Interceptor {
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
    const isPublic = accessRule(method)?.anonymous ?? false;
    if (!contract || isPublic !== (by === 'network')) return undefined;
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
    const caller = limit && (by === 'network' ? networkOf(call.origin.peer) : principalOf(call).id);
    if (!limit || !caller) return next(request);
    return limit.counter.consume(caller).then(
      () => next(request),
      (refusal) => {
        throw refusal instanceof RateLimiterRes ? new RateLimited(limit.rateClass, refusal.msBeforeNext) : refusal;
      },
    );
  };
}
