import { createHmac } from 'node:crypto';
import type pg from 'pg';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterPostgres } from 'rate-limiter-flexible';

/** How many calls in each period. */
export interface Rate {
  readonly calls: number;
  readonly seconds: number;
}

/** Rates that stand instead of those in the contracts, by class. `off` lifts the limit. */
export type RateOverrides = ReadonlyMap<string, Rate | 'off'>;

/** Counts the calls of a class. `consume` rejects with a RateLimiterRes when a key has used its rate up. */
export type RateCounter = Pick<RateLimiterAbstract, 'consume'>;

/** Makes the counter of a class. */
export type RateCounters = (rateClass: string, rate: Rate) => RateCounter;

/** Reads `sign-up=10/60s,write=off`. Undefined when it is anything else. */
export function parseRates(text: string): RateOverrides | undefined {
  const rates = new Map<string, Rate | 'off'>();
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [, name, off, calls, seconds] = /^\s*([a-z][a-z0-9-]*)=(?:(off)|(\d{1,9})\/(\d{1,6})s)\s*$/.exec(part) ?? [];
    if (name === undefined || rates.has(name)) return undefined;
    const rate = { calls: Number(calls), seconds: Number(seconds) };
    if (off === undefined && (rate.calls === 0 || rate.seconds === 0)) return undefined;
    rates.set(name, off === undefined ? rate : 'off');
  }
  return rates;
}

/** Each instance counts for itself. */
export const memoryRates: RateCounters = (rateClass, { calls, seconds }) =>
  new RateLimiterMemory({ keyPrefix: rateClass, points: calls, duration: seconds });

/** Counters that all instances share, one round trip a call. While the database is away, each instance counts for itself. */
export interface SharedRates {
  readonly counters: RateCounters;
  /** Removes what has not been counted with for an hour. */
  readonly sweep: () => Promise<void>;
}

/** The table holds keyed digests and no names or addresses of callers. */
export function postgresRates(pool: pg.Pool, key: Buffer): SharedRates {
  return {
    counters: (rateClass, rate) => {
      const limiter = new RateLimiterPostgres({
        keyPrefix: rateClass,
        points: rate.calls,
        duration: rate.seconds,
        storeClient: pool,
        storeType: 'pool',
        schemaName: 'cqrs',
        tableName: 'rate_limit',
        tableCreated: true,
        clearExpiredByTimeout: false,
        insuranceLimiter: memoryRates(rateClass, rate) as RateLimiterMemory,
      });
      return { consume: (caller) => limiter.consume(createHmac('sha256', key).update(String(caller)).digest('base64url')) };
    },
    // The library keeps the time when a period ends by the instance's clock; the hour is for clocks that differ.
    sweep: async () => {
      await pool.query('delete from cqrs.rate_limit where expire < $1', [Date.now() - 3_600_000]);
    },
  };
}
