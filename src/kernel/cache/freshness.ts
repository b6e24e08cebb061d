import { CONSISTENCY_TOKEN_HEADER, mostStaleness } from '../bus/bus-headers.ts';
import type { Call } from '../bus/call.ts';
import type { ConsistencyToken, ConsistencyTokens } from '../consistency/token.ts';
import type { LogPositions } from '../database/read/log-positions.ts';
import type { KeptAnswer } from './query-cache.ts';

export const STALENESS_HEADER = 'cqrs-staleness-ms';

type Header = readonly [name: string, value: string];

/** Tells whether an answer that is kept is as new as a call wants it: by `cqrs-max-staleness`, and by its consistency token. */
export class Freshness {
  readonly #tokens: Pick<ConsistencyTokens, 'open' | 'seal'>;
  readonly #positions: Pick<LogPositions, 'has' | 'standing' | 'systemIdentifier'>;
  readonly #now: () => number;

  constructor(parts: {
    tokens: Pick<ConsistencyTokens, 'open' | 'seal'>;
    positions: Pick<LogPositions, 'has' | 'standing' | 'systemIdentifier'>;
    now: () => number;
  }) {
    this.#tokens = parts.tokens;
    this.#positions = parts.positions;
    this.#now = parts.now;
  }

  /** The headers with which the answer is given; undefined when it is too old. A token that is no good is for others to refuse: it has no answer here. */
  headersFor(kept: KeptAnswer, call: Call): readonly Header[] | undefined {
    const staleness = this.#stalenessOf(kept);
    const most = mostStaleness(call);
    if (most !== undefined && staleness > most) return undefined;
    const presented = call.headerValue(CONSISTENCY_TOKEN_HEADER);
    const headers = presented === undefined ? kept.headers : this.#headersSince(presented, kept);
    if (!headers || staleness === Number.POSITIVE_INFINITY) return headers;
    return [...headers, [STALENESS_HEADER, String(Math.ceil(staleness))]];
  }

  /** What is kept is at least as new as the last look at its database, and as when it was read. */
  #stalenessOf({ staleness = Number.POSITIVE_INFINITY, at, source }: KeptAnswer): number {
    const now = this.#now();
    return Math.min(staleness + (now - at), source.staleness(now));
  }

  #headersSince(presented: string, kept: KeptAnswer): readonly Header[] | undefined {
    const seen = this.#opened(presented);
    const { has } = kept.source;
    // Whether the failover lost what was seen before it is for others to tell, and which of several events came last.
    if (!seen || seen.earlier || seen.positions || !has) return undefined;
    const { name } = kept.source;
    if (this.#positions.standing(name, seen) !== 'has it' || !this.#positions.has(name, seen, has)) return undefined;
    return kept.headers.map(([header, value]) =>
      header === CONSISTENCY_TOKEN_HEADER ? [header, this.#newer({ value, presented, seen })] : [header, value],
    );
  }

  /** A token of everything that the caller has seen by now: what it says itself, and what the answer shows. */
  #newer({ value, presented, seen }: { value: string; presented: string; seen: ConsistencyToken }): string {
    const shown = this.#opened(value);
    if (!shown || (shown.timeline === seen.timeline && shown.lsn <= seen.lsn)) return presented;
    if (shown.position >= seen.position) return value;
    return this.#tokens.seal({ ...shown, position: seen.position });
  }

  #opened(token: string): ConsistencyToken | undefined {
    const { systemIdentifier } = this.#positions;
    if (systemIdentifier === undefined) return undefined;
    try {
      return this.#tokens.open(token, systemIdentifier);
    } catch {
      return undefined;
    }
  }
}
