import type { DescMethod } from '@bufbuild/protobuf';
import { RateLimiterRes } from 'rate-limiter-flexible';
import { accessRule } from '../bus/access.ts';
import type { Call } from '../bus/call.ts';
import { causeKey, principalOf } from '../bus/context-keys.ts';
import { RateLimited } from '../bus/errors.ts';
import { rateLimitOf } from '../bus/limits.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { networkOf } from '../bus/network.ts';
import type { RateCounter, RateCounters, RateOverrides } from '../database/limits/rates.ts';

const BY_NETWORK: readonly Need[] = [
  { name: 'errors', because: 'a call above the rate gets a typed error' },
  { name: 'recording', because: 'a refused command is recorded', of: 'command' },
];
const BY_PRINCIPAL: readonly Need[] = [{ name: 'authentication', because: 'calls are counted by their caller' }];

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
 * neither buys another count. Calls of all other rpcs are counted by `principal`. Commands of reactors are not counted.
 */
export function rateLimit({ counters, overrides }: RateLimitParts, by: 'network' | 'principal'): Middleware {
  const byClass = new Map<string, Limit>();

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

  const callerOf = by === 'network' ? (call: Call): string => networkOf(call.origin.peer) : callingPrincipal;

  return busMiddleware(
    `rate limit by ${by}`,
    (method) => {
      const limit = limitFor(method);
      return limit && limited(limit, callerOf);
    },
    by === 'network' ? BY_NETWORK : BY_PRINCIPAL,
  );
}

/** Nobody of a reactor: its commands are as many as there are events, and those were let pass. */
function callingPrincipal(call: Call): string {
  const isCaused = call.origin.door === 'in-process' && call.contextValues.get(causeKey) !== undefined;
  return isCaused ? '' : principalOf(call).id;
}

function limited({ counter, rateClass }: Limit, callerOf: (call: Call) => string): Around {
  return (next) => (call) => {
    const caller = callerOf(call);
    if (!caller) return next(call);
    return counter.consume(caller).then(
      () => next(call),
      (refusal) => {
        throw refusal instanceof RateLimiterRes ? new RateLimited(rateClass, refusal.msBeforeNext) : refusal;
      },
    );
  };
}
