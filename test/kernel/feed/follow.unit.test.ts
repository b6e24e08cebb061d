import { afterEach, describe, expect, it } from '@jest/globals';
import type { CompiledQuery } from 'kysely';
import { Cancellation } from '../../../src/kernel/bus/cancellation.ts';
import type { Reader } from '../../../src/kernel/database/read/reader.ts';
import { follow, type Part, type Span } from '../../../src/kernel/feed/follow.ts';
import { type Entry, type List, type News, Tail } from '../../../src/kernel/feed/tail.ts';
import { Tails } from '../../../src/kernel/feed/tails.ts';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';

/** Of the tails of a test. */
const running: Cancellation[] = [];
afterEach(() => {
  for (const cancellation of running.splice(0)) cancellation.cancel(new Error('the test is over'));
});

const PAGE = 100;
const last = 'last' as unknown as CompiledQuery<{ place: number }>;
const behind = 'behind' as unknown as CompiledQuery<{ place: number }>;
const even = 'even' as unknown as CompiledQuery<{ place: number }>;

/** A list of numbers; those that are pruned are missing. */
const numbersOf = (pruned: (place: number) => boolean): List<Entry> => ({
  pageSize: PAGE,
  size: () => 1,
  last: async (read) => BigInt((await read.rows(last))[0]?.place ?? 0),
  page: async (read, after) => {
    const places = await read.rows(behind, [after]);
    const entries = places.filter(({ place }) => !pruned(place)).map(({ place }) => ({ place: BigInt(place) }));
    return { entries, end: BigInt(places.at(-1)?.place ?? after) };
  },
});

/** The even numbers: they are read in steps of a page each, and never further than to the end. */
const evenNumbers: Part<Entry> = {
  name: 'even',
  has: ({ place }) => place % 2n === 0n,
  page: async (read, after, end) => {
    const until = after + 10n * BigInt(PAGE) < end ? after + 10n * BigInt(PAGE) : end;
    const places = await read.rows(even, [after, until]);
    return { entries: places.map(({ place }) => ({ place: BigInt(place) })), end: until };
  },
};

/** A list that has so many entries by now. */
function listOf(
  length: number,
  { pruned = () => false, news, pollMs = 1 }: { pruned?: (place: number) => boolean; news?: News; pollMs?: number } = {},
) {
  const log = { length, pages: 0, polls: 0, parts: 0, underWay: 0, mostUnderWay: 0, error: undefined as unknown };
  const rows: Reader['rows'] = async (statement, parameters) => {
    log.underWay += 1;
    log.mostUnderWay = Math.max(log.mostUnderWay, log.underWay);
    await new Promise(setImmediate);
    log.underWay -= 1;
    if (log.error) throw log.error;
    if ((statement as unknown) === last) return [{ place: log.length }] as never;
    const after = Number(parameters?.[0]);
    if ((statement as unknown) === even) {
      log.parts += 1;
      return places(after, Number(parameters?.[1])).filter(({ place }) => place % 2 === 0) as never;
    }
    log.polls += 1;
    const found = places(after, Math.min(after + PAGE, log.length));
    if (found.length > 0) log.pages += 1;
    return found as never;
  };
  const cancellation = new Cancellation();
  const tail = new Tail({ rows }, { list: numbersOf(pruned), cancellation, pollMs, news });
  running.push(cancellation);
  return { log, rows, tail };
}

const places = (after: number, until: number): { place: number }[] =>
  Array.from({ length: Math.max(0, until - after) }, (_, index) => ({ place: after + index + 1 }));

const say = ({ entry, through, caughtUp }: Span<Entry>): string =>
  entry ? `${entry.place}` : caughtUp ? `caught up at ${through}` : `nothing through ${through}`;

async function take(entries: AsyncGenerator<Span<Entry>>, count: number): Promise<string[]> {
  const said: string[] = [];
  while (said.length < count) {
    const { value } = await entries.next();
    said.push(say(value));
  }
  return said;
}

/** Follows until the test is over. */
function followed(
  tail: Tail<Entry>,
  after: number | undefined,
  {
    heartbeatMs = 1_000_000,
    progressMs = 1_000_000,
    signal = new AbortController().signal,
    part,
  }: { heartbeatMs?: number; progressMs?: number; signal?: AbortSignal; part?: Part<Entry> } = {},
) {
  return follow(tail, { after: after === undefined ? undefined : BigInt(after), signal, heartbeatMs, progressMs, part });
}

const numbers = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => String(first + index));

describe('follow', () => {
  it('gives what is there, says once that it has caught up, and goes on with what comes', async () => {
    const { log, tail } = listOf(PAGE + 2);
    const entries = followed(tail, PAGE);
    expect(await take(entries, 3)).toEqual(['101', '102', 'caught up at 102']);
    const next = take(entries, 2);
    log.length += 2;
    expect(await next).toEqual(['103', '104']);
  });

  it('without a place begins at the end', async () => {
    const { log, tail } = listOf(7);
    const entries = followed(tail, undefined);
    expect(await take(entries, 1)).toEqual(['caught up at 7']);
    log.length += 1;
    expect(await take(entries, 1)).toEqual(['8']);
  });

  it('waits at a place that is not reached yet, and gives nothing before it', async () => {
    const { log, tail } = listOf(1);
    const entries = followed(tail, 3);
    expect(await take(entries, 1)).toEqual(['caught up at 3']);
    log.length = 5;
    expect(await take(entries, 2)).toEqual(['4', '5']);
  });

  it('gives every record once, in order, over many pages, and has not caught up before the last', async () => {
    const count = 3 * PAGE;
    const { tail } = listOf(count);
    expect(await take(followed(tail, 0), count + 1)).toEqual([...numbers(1, count), `caught up at ${count}`]);
  });

  it('passes over records that were pruned', async () => {
    const { tail } = listOf(2 * PAGE + 1, { pruned: (sequence) => sequence <= 2 * PAGE });
    expect(await take(followed(tail, 0), 2)).toEqual(['201', 'caught up at 201']);
  });

  it('says again that it has caught up when nothing comes for a while', async () => {
    const { log, tail } = listOf(1);
    expect(await take(followed(tail, 1, { heartbeatMs: 30 }), 3)).toEqual(Array(3).fill('caught up at 1'));
    expect(log.polls).toBeGreaterThanOrEqual(3);
    expect(log.pages).toBe(0);
  });

  it('ends with the reason of the signal at once, also while it waits', async () => {
    const { tail } = listOf(0);
    const controller = new AbortController();
    const entries = followed(tail, 0, { signal: controller.signal });
    await take(entries, 1);
    const waiting = entries.next();
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it('gives a reader who stands still what it missed, though far more came than is kept', async () => {
    const { log, tail } = listOf(0);
    const [slow, quick] = [followed(tail, 0), followed(tail, 0)];
    expect(await take(slow, 1)).toEqual(['caught up at 0']);
    expect(await take(quick, 1)).toEqual(['caught up at 0']);
    const count = 25 * PAGE;
    log.length = count;
    expect(await take(quick, count)).toEqual(numbers(1, count));
    expect(await take(slow, count)).toEqual(numbers(1, count));
  });
});

describe('follow of a part', () => {
  it('gives what belongs to it, each with the places that it is about, which join without a gap', async () => {
    const { log, tail } = listOf(2_500);
    const spans: Span<Entry>[] = [];
    const following = followed(tail, 0, { part: evenNumbers });
    const read = (async () => {
      for await (const span of following) {
        spans.push(span);
        if (span.through === 2_600n) break;
      }
    })();
    await eventually(() => expect(spans.at(-1)).toEqual({ after: 2_500n, through: 2_500n, caughtUp: true }));
    // In steps, and not by all pages of the list.
    expect(log.parts).toBe(3);
    log.length = 2_600;
    await read;
    expect(spans.flatMap(({ entry }) => (entry ? [Number(entry.place)] : []))).toEqual(
      Array.from({ length: 1_300 }, (_, index) => 2 * index + 2),
    );
    for (const [index, span] of spans.entries()) expect(span.after).toBe(spans[index - 1]?.through ?? 0n);
  });

  it('says how far it has looked in vain, and no oftener than it should', async () => {
    const { log, tail } = listOf(0);
    const entries = followed(tail, 0, { part: { ...evenNumbers, has: () => false }, progressMs: 30 });
    expect(await take(entries, 1)).toEqual(['caught up at 0']);
    const next = take(entries, 1);
    log.length = 7;
    expect(await next).toEqual(['caught up at 7']);
  });

  it('is read once for all who want the same part', async () => {
    const { log, tail } = listOf(3_000);
    const all = await Promise.all(Array.from({ length: 200 }, () => take(followed(tail, 0, { part: evenNumbers }), 1_501)));
    for (const said of all) expect(said).toEqual(all[0]);
    expect(log.parts).toBeLessThanOrEqual(2 * 3);
    expect(log.mostUnderWay).toBeLessThanOrEqual(2);
  });
});

describe('a tail with news', () => {
  /** As the primary tells it. */
  function newsOf(): News & { tell: (lastSequence: number) => void } {
    const wakes = new Set<() => void>();
    return {
      lastSequence: 0,
      onNews: (wake) => {
        wakes.add(wake);
        return () => wakes.delete(wake);
      },
      tell(lastSequence) {
        Object.assign(this, { lastSequence });
        for (const wake of [...wakes]) wake();
      },
    };
  }

  it('reads when it is told, and not by the clock', async () => {
    const news = newsOf();
    const { log, tail } = listOf(0, { news, pollMs: FOREVER });
    const entries = followed(tail, 0);
    await take(entries, 1);
    const next = take(entries, 2);
    log.length = 2;
    news.tell(2);
    expect(await next).toEqual(['1', '2']);
  });

  it('looks again until it has what it was told of: a replica is late', async () => {
    const news = newsOf();
    const { log, tail } = listOf(0, { news, pollMs: FOREVER });
    const entries = followed(tail, 0);
    await take(entries, 1);
    const next = take(entries, 2);
    news.tell(2);
    await eventually(() => expect(log.polls).toBeGreaterThan(4));
    log.length = 2;
    expect(await next).toEqual(['1', '2']);
  });
});

describe('a tail', () => {
  it('asks once for all of its followers, also for those who begin at the same place far behind', async () => {
    const count = 5 * PAGE;
    const { log, tail } = listOf(count);
    const followers = Array.from({ length: 300 }, () => followed(tail, 0));
    const all = await Promise.all(followers.map((entries) => take(entries, count + 1)));
    for (const said of all) expect(said).toEqual([...numbers(1, count), `caught up at ${count}`]);
    // One for who looks at the end, one for all who catch up.
    expect(log.mostUnderWay).toBeLessThanOrEqual(2);
    expect(log.pages).toBeLessThan(2 * 5);

    const pages = log.pages;
    log.length += 3;
    const next = await Promise.all(followers.map((entries) => take(entries, 3)));
    for (const said of next) expect(said).toEqual(numbers(count + 1, count + 3));
    expect(log.pages - pages).toBeLessThanOrEqual(3);
  });

  it('ends all of its followers with what the database said, and the next one begins anew', async () => {
    const { log, rows } = listOf(1);
    const tails = new Tails(
      numbersOf(() => false),
      { pollMs: 1 },
    );
    const read = { name: 'primary', endingWith: () => ({ rows }) as never };
    const first = tails.join(read);
    const waiting = [followed(first.tail, 1), followed(first.tail, 1)];
    for (const entries of waiting) await take(entries, 1);
    log.error = new Error('it is gone');
    for (const entries of waiting) await expect(entries.next()).rejects.toBe(log.error);
    first.leave();

    log.error = undefined;
    const second = tails.join(read);
    expect(second.tail).not.toBe(first.tail);
    expect(await take(followed(second.tail, 0), 1)).toEqual(['1']);
    second.leave();
  });

  it.each([
    ['too busy', Object.assign(new Error('timeout exceeded when trying to connect'))],
    ['a standby that has to go on with its replay', Object.assign(new Error('conflict'), { code: '40001' })],
  ])('asks again when the database is %s', async (_, error) => {
    const { log, tail } = listOf(1);
    const entries = followed(tail, 1);
    await take(entries, 1);
    log.error = error;
    const next = entries.next();
    await new Promise((resolve) => setTimeout(resolve, 10));
    log.length = 2;
    log.error = undefined;
    expect(say((await next).value)).toBe('2');
  });

  it('reads no more when its last follower has left, and not before', async () => {
    const { log, rows } = listOf(1);
    const tails = new Tails(
      numbersOf(() => false),
      { pollMs: 1 },
    );
    let ended = 0;
    const read = {
      name: 'primary',
      endingWith: (cancellation: Cancellation) => {
        cancellation.onCancel(() => {
          ended += 1;
        });
        return { rows } as never;
      },
    };
    const [one, other] = [tails.join(read), tails.join(read)];
    expect(one.tail).toBe(other.tail);
    one.leave();
    await eventually(() => expect(log.polls).toBeGreaterThan(2));
    expect(ended).toBe(0);
    other.leave();
    expect(ended).toBe(1);
  });
});
