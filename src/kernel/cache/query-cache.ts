import { LRUCache } from 'lru-cache';
import type { KeptForm } from '../bus/answer.ts';
import type { CacheRule } from './cache-rule.ts';
import type { Ending, FollowedDatabase } from './followed-database.ts';

/** About what an answer takes beside its bytes and its key, in bytes. */
const OVERHEAD = 500;
/** The same for a form that is kept with it. */
const OVERHEAD_OF_FORM = 250;

/** What is being read, to be kept afterwards. */
export interface PendingRead {
  readonly key: string;
  readonly rule: CacheRule;
  /** In lower case; empty where the rule names none. */
  readonly aggregateId: string;
  /** What began before what: see `FollowedOptions.tick`. */
  readonly tick: number;
  /** When it was begun, in milliseconds. */
  readonly at: number;
  /** Something has happened since that can have changed it. */
  isOutdated: boolean;
}

/** The answer of a query in the form of the wire, with its headers. */
export interface WireAnswer {
  readonly bytes: Uint8Array;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** How old at most it was, in milliseconds; undefined where nobody knows. */
  readonly staleness: number | undefined;
}

/** An answer that is kept. */
export interface KeptAnswer extends PendingRead, WireAnswer {
  /** Where it was read. */
  readonly source: FollowedDatabase;
  readonly form: KeptForm;
}

/** Tells when a form is kept with an answer, which takes more memory then. */
class CountedForm implements KeptForm {
  readonly #count: () => void;
  #json: Uint8Array | undefined;

  constructor(count: () => void) {
    this.#count = count;
  }

  get json(): Uint8Array | undefined {
    return this.#json;
  }

  set json(json: Uint8Array | undefined) {
    this.#json = json;
    this.#count();
  }
}

/**
 * Answers of queries in memory, bounded in bytes. Each is of a database whose feed is followed: an event that can have changed it ends
 * it, whether it is kept already or is still being read.
 */
export class QueryCache {
  readonly #answers: LRUCache<string, KeptAnswer>;
  readonly #byAggregate = new Map<string, Set<PendingRead>>();
  /** Those of rules that name no aggregate, by the types of events that end them. */
  readonly #byType = new Map<string, Set<PendingRead>>();
  readonly #now: () => number;
  #ticks = 0;

  constructor({ maxBytes, now = () => performance.now() }: { maxBytes: number; now?: () => number }) {
    this.#now = now;
    this.#answers = new LRUCache<string, KeptAnswer>({
      maxSize: maxBytes,
      sizeCalculation: ({ key, bytes, form }) =>
        OVERHEAD + key.length + bytes.length + (form.json ? OVERHEAD_OF_FORM + form.json.length : 0),
      dispose: (answer) => this.#forget(answer),
    });
  }

  /** About how much memory the answers take, in bytes. */
  get bytes(): number {
    return this.#answers.calculatedSize;
  }

  readonly tick = (): number => {
    this.#ticks += 1;
    return this.#ticks;
  };

  /** The answer under the key, if it still holds. */
  get(key: string): KeptAnswer | undefined {
    const answer = this.#answers.get(key);
    if (!answer) return undefined;
    const now = this.#now();
    if (now - answer.at < answer.rule.ms && answer.source.isKnown(now)) return answer;
    this.#answers.delete(key);
    return undefined;
  }

  /** Is called before an answer is read; `keep` or `abandon` follows. */
  begin(rule: CacheRule, { key, aggregateId }: Pick<PendingRead, 'key' | 'aggregateId'>): PendingRead {
    const read = { key, rule, aggregateId, tick: this.tick(), at: this.#now(), isOutdated: false };
    this.#remember(read);
    return read;
  }

  /** Keeps what was read, unless something has happened that can have changed it. */
  keep(read: PendingRead, wire: WireAnswer, source: FollowedDatabase): void {
    this.#forget(read);
    if (read.isOutdated || !source.knowsSince(read.tick, read.rule.projections)) return;
    const count = (): void => {
      if (this.#answers.peek(read.key) !== answer) return;
      this.#answers.delete(read.key);
      this.#add(answer);
    };
    const answer: KeptAnswer = { ...read, ...wire, source, form: new CountedForm(count) };
    this.#add(answer);
  }

  #add(answer: KeptAnswer): void {
    this.#answers.set(answer.key, answer);
    // One that is larger than the cache is not in it.
    if (this.#answers.peek(answer.key) === answer) this.#remember(answer);
  }

  /** Nothing was read, or nothing that can be kept. */
  abandon(read: PendingRead): void {
    this.#forget(read);
  }

  /** Ends every answer that the event can have changed, whichever database it is of. */
  readonly onEvent = ({ type, aggregateId }: Ending): void => {
    for (const read of [...(this.#byAggregate.get(aggregateId) ?? [])]) {
      if (read.rule.types?.has(type) !== false) this.#end(read);
    }
    for (const read of [...(this.#byType.get(type) ?? [])]) this.#end(read);
  };

  #end(read: PendingRead): void {
    read.isOutdated = true;
    if ('source' in read) this.#answers.delete(read.key);
  }

  #remember(read: PendingRead): void {
    for (const [map, name] of this.#placesOf(read)) {
      const reads = map.get(name);
      if (reads) reads.add(read);
      else map.set(name, new Set([read]));
    }
  }

  #forget(read: PendingRead): void {
    for (const [map, name] of this.#placesOf(read)) {
      const reads = map.get(name);
      reads?.delete(read);
      if (reads?.size === 0) map.delete(name);
    }
  }

  #placesOf({ rule, aggregateId }: PendingRead): readonly (readonly [Map<string, Set<PendingRead>>, string])[] {
    if (rule.by !== undefined) return [[this.#byAggregate, aggregateId]];
    return [...(rule.types ?? [])].map((type) => [this.#byType, type]);
  }
}
