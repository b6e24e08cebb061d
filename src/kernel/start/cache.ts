import type { Registry } from '@bufbuild/protobuf';
import { declaredReads } from '../bus/query.ts';
import { cacheRuleOf } from '../cache/cache-rule.ts';
import { FollowedDatabases } from '../cache/followed-databases.ts';
import { Freshness } from '../cache/freshness.ts';
import { QueryCache } from '../cache/query-cache.ts';
import type { ConsistencyTokens } from '../consistency/token.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import type { OnEvents } from '../database/write/changed-aggregates.ts';
import type { FeedNews } from '../feed/news.ts';
import type { CacheMiddlewareParts, CacheResult } from '../middleware/cache.ts';
import type { Module } from '../module.ts';
import type { Instruments } from '../telemetry/metrics/instruments.ts';
import type { Stops } from './stops.ts';

/** The cache of answers, and what its middleware is made of. */
export interface RunningCache {
  readonly middleware: CacheMiddlewareParts;
  /** To be called when this instance has committed events: who reads then finds nothing older, without waiting for the feed. */
  readonly onEvents: OnEvents;
  /** How much memory the answers take, in bytes. */
  readonly bytes: () => number;
}

/** Undefined where no answers are kept: `maxBytes` is 0. */
export function startCache(parts: {
  maxBytes: number;
  modules: readonly Module[];
  eventTypes: Registry;
  reads: ReadSide;
  news: FeedNews;
  tokens: ConsistencyTokens;
  metrics: Instruments;
  stops: Stops;
}): RunningCache | undefined {
  const { maxBytes, modules, eventTypes, reads, news, tokens, metrics, stops } = parts;
  if (maxBytes === 0) return undefined;
  const declared = declaredReads(modules);
  const projections = new Map([...declared.values()].flat().map((projection) => [projection.name, projection]));
  const now = (): number => performance.now();
  const cache = new QueryCache({ maxBytes, now });
  const { tick, onEvent } = cache;
  const databases = new FollowedDatabases(reads, { projections: [...projections.values()], news, onEvent, tick, now });
  stops.briefly('query cache', databases.stop);
  return {
    middleware: {
      ruleOf: (method) => cacheRuleOf(method, { reads: declared, eventTypes }),
      cache,
      databases,
      freshness: new Freshness({ tokens, positions: reads.monitor.positions, now }),
      report: (method) => counted(metrics, method),
    },
    onEvents: (changed) => {
      for (const { aggregateId, stored } of changed)
        for (const { event } of stored) onEvent({ type: event.type, aggregateId: aggregateId.toLowerCase() });
    },
    bytes: () => cache.bytes,
  };
}

const RESULTS: readonly CacheResult[] = ['hit', 'shared', 'miss', 'stale'];

/** The series are looked up once: they are counted at every call. */
function counted({ queryCache }: Instruments, method: string): (result: CacheResult) => void {
  const series = new Map(RESULTS.map((result) => [result, queryCache.labels({ method, result })]));
  // Counts begin at 0, so that the first one is an increase.
  for (const one of series.values()) one.inc(0);
  return (result) => series.get(result)?.inc();
}
