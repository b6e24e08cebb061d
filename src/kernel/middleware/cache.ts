import { toBinary } from '@bufbuild/protobuf';
import { Answer } from '../bus/answer.ts';
import { CONSISTENCY_TOKEN_HEADER, MAX_STALENESS_HEADER, wantsStrongConsistency } from '../bus/bus-headers.ts';
import type { Call, Message } from '../bus/call.ts';
import { principalOf } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { type Around, busMiddleware, type Middleware, type Need, type Next } from '../bus/middleware.ts';
import type { CacheRule } from '../cache/cache-rule.ts';
import type { FollowedDatabases } from '../cache/followed-databases.ts';
import { type Freshness, STALENESS_HEADER } from '../cache/freshness.ts';
import type { PendingRead, QueryCache, WireAnswer } from '../cache/query-cache.ts';

const NEEDS: readonly Need[] = [
  { name: 'authorization', because: 'an answer that is kept is given to nobody who may not ask for it' },
];

/** How a call found its answer: kept; being read for another call; not kept; kept, and older than the call wants. */
export type CacheResult = 'hit' | 'shared' | 'miss' | 'stale';

export interface CacheMiddlewareParts {
  /** Undefined for an rpc whose answers are not kept. */
  readonly ruleOf: (method: Call['method']) => CacheRule | undefined;
  readonly cache: QueryCache;
  readonly databases: Pick<FollowedDatabases, 'named'>;
  readonly freshness: Freshness;
  readonly report: (method: string) => (result: CacheResult) => void;
}

/**
 * Answers a query with what was answered before, where its contract allows that (`cqrs.v1.cache`) and nothing has happened since that can
 * have changed it. Calls that ask for the same at once are read once. What is not kept is read, and kept afterwards.
 */
export function cache({ ruleOf, ...parts }: CacheMiddlewareParts): Middleware {
  return busMiddleware(
    'cache',
    (method) => {
      const rule = ruleOf(method);
      return rule && cached(rule, parts);
    },
    NEEDS,
  );
}

function cached(rule: CacheRule, { cache, databases, freshness, report }: Omit<CacheMiddlewareParts, 'ruleOf'>): Around {
  const { method } = rule;
  const count = report(methodName(method));
  const flights = new Map<string, Flight>();

  async function read(call: Call, next: Next, key: string): Promise<Answer> {
    const pending = cache.begin(rule, { key, aggregateId: aggregateOf(rule, call) });
    const flight = new Flight(pending);
    flights.set(key, flight);
    try {
      const answer = (await next(call)) as Answer<Message>;
      const wire = wireForm(answer);
      const source = wire && databases.named(servedBy(wire));
      if (wire && source) cache.keep(pending, wire, source);
      else cache.abandon(pending);
      flight.land(wire ?? 'not for others');
      return wire && call.origin.door === 'grpc' ? answer.inBytes(wire.bytes) : answer;
    } catch (error) {
      cache.abandon(pending);
      if (call.cancellation.reason) flight.land('canceled');
      else flight.fail(error);
      throw error;
    } finally {
      if (flights.get(key) === flight) flights.delete(key);
    }
  }

  return (next) => async (call) => {
    const key = keyOf(rule, call);
    const isStrong = wantsStrongConsistency(call);
    for (;;) {
      const kept = cache.get(key);
      const headers = kept && !isStrong ? freshness.headersFor(kept, call) : undefined;
      if (kept && headers) {
        count('hit');
        return Answer.inBytes(method, kept.bytes, headers, kept.form);
      }
      const flight = flights.get(key);
      if (flight && !flight.read.isOutdated && !isStrong && !wantsMore(call)) {
        const landed = await flight.join(call);
        if (landed === 'canceled') continue;
        if (landed !== 'not for others') {
          count('shared');
          return Answer.inBytes(method, landed.bytes, headersOf(landed));
        }
      }
      count(kept ? 'stale' : 'miss');
      return await read(call, next, key);
    }
  };
}

/** A read whose answer other calls wait for. */
class Flight {
  readonly read: PendingRead;
  #landing: PromiseWithResolvers<Landed> | undefined;

  constructor(read: PendingRead) {
    this.read = read;
  }

  /** What the read comes to. Rejects with what it fails with, and when the call is canceled that waits. */
  async join({ cancellation }: Call): Promise<Landed> {
    if (cancellation.reason) throw cancellation.reason;
    this.#landing ??= Promise.withResolvers();
    const canceled = Promise.withResolvers<never>();
    const forget = cancellation.onCancel(canceled.reject);
    try {
      return await Promise.race([this.#landing.promise, canceled.promise]);
    } finally {
      forget();
    }
  }

  land(landed: Landed): void {
    this.#landing?.resolve(landed);
  }

  fail(error: unknown): void {
    this.#landing?.reject(error);
  }
}
/** `canceled`: the call was, on whose behalf it was read. */
type Landed = WireAnswer | 'not for others' | 'canceled';

/** Whether the call wants an answer that is no older than it says: a read that others wait for may have begun too early. */
const wantsMore = (call: Call): boolean =>
  call.headerValue(CONSISTENCY_TOKEN_HEADER) !== undefined || call.headerValue(MAX_STALENESS_HEADER) !== undefined;

/** Headers of the bus alone: what others have added may be about the one call. */
const SHARED_HEADERS: ReadonlySet<string> = new Set(['cqrs-served-by', CONSISTENCY_TOKEN_HEADER, STALENESS_HEADER]);

/** Undefined for an answer that others cannot be given. */
function wireForm(answer: Answer<Message>): WireAnswer | undefined {
  const all = [...(answer.headerIfAny ?? [])];
  if (answer.trailerIfAny || all.some(([name]) => !SHARED_HEADERS.has(name))) return undefined;
  const staleness = all.find(([name]) => name === STALENESS_HEADER)?.[1];
  return {
    bytes: toBinary(answer.method.output, answer.message),
    headers: all.filter(([name]) => name !== STALENESS_HEADER),
    staleness: staleness === undefined ? undefined : Number(staleness),
  };
}

const headersOf = ({ headers, staleness }: WireAnswer): WireAnswer['headers'] =>
  staleness === undefined ? headers : [...headers, [STALENESS_HEADER, String(staleness)]];

const servedBy = ({ headers }: WireAnswer): string => headers.find(([name]) => name === 'cqrs-served-by')?.[1] ?? '';

/** Ids are the same in either case (RFC 9562, 4); events have them in lower case. */
const aggregateOf = ({ by }: CacheRule, call: Call): string =>
  by === undefined ? '' : String((call.request as unknown as Record<string, unknown>)[by]).toLowerCase();

/** The same for calls that are given the same answer. A list in JSON ends where it ends, so that the parts cannot run into each other. */
function keyOf({ method, isPersonal }: CacheRule, call: Call): string {
  const { buffer, byteOffset, byteLength } = toBinary(method.input, call.request, { writeUnknownFields: false });
  const request = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
  return isPersonal ? `${methodName(method)} ${callerOf(call)} ${request}` : `${methodName(method)} ${request}`;
}

function callerOf(call: Call): string {
  const { id, issuer = '', roles, permissions } = principalOf(call);
  return JSON.stringify([id, issuer, roles.toSorted(), [...permissions].toSorted()]);
}
