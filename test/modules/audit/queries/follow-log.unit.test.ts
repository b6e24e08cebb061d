import { afterEach, describe, expect, it } from '@jest/globals';
import { Cancellation } from '../../../../src/kernel/bus/cancellation.ts';
import type { Reader } from '../../../../src/kernel/database/read/reader.ts';
import { followLog, type LogEntry } from '../../../../src/modules/audit/queries/follow-log.ts';
import { LogFeed, LogFeeds } from '../../../../src/modules/audit/queries/log-feed.ts';
import {
  lastPlace,
  placesAfter,
  SEALED_PAGE,
  type SealedPlace,
} from '../../../../src/modules/audit/read-model/sealed-records.ts';
import { eventually } from '../../../support/eventually.ts';

/** Of the feeds of a test. */
const running: Cancellation[] = [];
afterEach(() => {
  for (const cancellation of running.splice(0)) cancellation.cancel(new Error('the test is over'));
});

/** A log of so many sealed records; some may be pruned. */
function logOf(length: number, { pruned = () => false }: { pruned?: (sequence: number) => boolean } = {}) {
  const log = { length, pages: 0, polls: 0, underWay: 0, mostUnderWay: 0, error: undefined as unknown };
  const rows: Reader['rows'] = async (statement, parameters) => {
    log.underWay += 1;
    log.mostUnderWay = Math.max(log.mostUnderWay, log.underWay);
    await new Promise(setImmediate);
    log.underWay -= 1;
    if (log.error) throw log.error;
    if ((statement as unknown) === lastPlace) return (log.length > 0 ? [{ sequence: String(log.length) }] : []) as never;
    if ((statement as unknown) === placesAfter) {
      log.polls += 1;
      const after = Number(parameters?.[0]);
      const count = Math.min(SEALED_PAGE, Math.max(0, log.length - after));
      return Array.from({ length: count }, (_, index) => placeOf(after + index + 1)) as never;
    }
    log.pages += 1;
    const sequences = (statement.parameters[0] as string[]).filter((sequence) => !pruned(Number(sequence)));
    return sequences.map(recordAt) as never;
  };
  const cancellation = new Cancellation();
  const feed = new LogFeed({ rows }, { cancellation, pollMs: 1 });
  running.push(cancellation);
  return { log, rows, feed };
}

const placeOf = (sequence: number): SealedPlace => ({
  sequence: String(sequence),
  command_id: '019ab3a0-0000-7000-8000-000000000001',
  received_at: new Date(0),
});

const recordAt = (sequence: string): object => ({
  sequence,
  command_id: '019ab3a0-0000-7000-8000-000000000001',
  outcome: 'succeeded',
  roles: [],
  event_ids: [],
  received_at: new Date(0),
  request: null,
  personal: null,
  answered_by: null,
  version_before: null,
  version_after: null,
  duration_us: 0,
});

const say = (entry: LogEntry): string => ('message' in entry ? `${entry.place}` : `caught up at ${entry.caughtUp}`);

async function take(entries: AsyncGenerator<LogEntry>, count: number): Promise<string[]> {
  const said: string[] = [];
  while (said.length < count) {
    const { value } = await entries.next();
    said.push(say(value));
  }
  return said;
}

/** Follows until the test is over. */
function follow(
  feed: LogFeed,
  after: number | undefined,
  { heartbeatMs = 1_000_000, signal = new AbortController().signal } = {},
) {
  return followLog(feed, { after: after === undefined ? undefined : BigInt(after), signal, heartbeatMs });
}

const numbers = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => String(first + index));

describe('followLog', () => {
  it('gives what is there, says once that it has caught up, and goes on with what comes', async () => {
    const { log, feed } = logOf(SEALED_PAGE + 2);
    const entries = follow(feed, SEALED_PAGE);
    expect(await take(entries, 3)).toEqual(['101', '102', 'caught up at 102']);
    const next = take(entries, 2);
    log.length += 2;
    expect(await next).toEqual(['103', '104']);
  });

  it('without a place begins at the end', async () => {
    const { log, feed } = logOf(7);
    const entries = follow(feed, undefined);
    expect(await take(entries, 1)).toEqual(['caught up at 7']);
    log.length += 1;
    expect(await take(entries, 1)).toEqual(['8']);
  });

  it('waits at a place that is not reached yet, and gives nothing before it', async () => {
    const { log, feed } = logOf(1);
    const entries = follow(feed, 3);
    expect(await take(entries, 1)).toEqual(['caught up at 3']);
    log.length = 5;
    expect(await take(entries, 2)).toEqual(['4', '5']);
  });

  it('gives every record once, in order, over many pages, and has not caught up before the last', async () => {
    const count = 3 * SEALED_PAGE;
    const { feed } = logOf(count);
    expect(await take(follow(feed, 0), count + 1)).toEqual([...numbers(1, count), `caught up at ${count}`]);
  });

  it('passes over records that were pruned', async () => {
    const { feed } = logOf(2 * SEALED_PAGE + 1, { pruned: (sequence) => sequence <= 2 * SEALED_PAGE });
    expect(await take(follow(feed, 0), 2)).toEqual(['201', 'caught up at 201']);
  });

  it('says again that it has caught up when nothing comes for a while', async () => {
    const { log, feed } = logOf(1);
    expect(await take(follow(feed, 1, { heartbeatMs: 30 }), 3)).toEqual(Array(3).fill('caught up at 1'));
    expect(log.polls).toBeGreaterThan(3);
    expect(log.pages).toBe(0);
  });

  it('ends with the reason of the signal at once, also while it waits', async () => {
    const { feed } = logOf(0);
    const controller = new AbortController();
    const entries = follow(feed, 0, { signal: controller.signal });
    await take(entries, 1);
    const waiting = entries.next();
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it('gives a reader who stands still what it missed, though far more came than is kept', async () => {
    const { log, feed } = logOf(0);
    const [slow, quick] = [follow(feed, 0), follow(feed, 0)];
    expect(await take(slow, 1)).toEqual(['caught up at 0']);
    expect(await take(quick, 1)).toEqual(['caught up at 0']);
    const count = 25 * SEALED_PAGE;
    log.length = count;
    expect(await take(quick, count)).toEqual(numbers(1, count));
    expect(await take(slow, count)).toEqual(numbers(1, count));
  });
});

describe('a feed', () => {
  it('asks once for all of its followers, also for those who begin at the same place far behind', async () => {
    const count = 5 * SEALED_PAGE;
    const { log, feed } = logOf(count);
    const followers = Array.from({ length: 300 }, () => follow(feed, 0));
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
    const { log, rows } = logOf(1);
    const feeds = new LogFeeds({ pollMs: 1 });
    const read = { name: 'primary', endingWith: () => ({ rows }) as never };
    const first = feeds.join(read);
    const waiting = [follow(first.feed, 1), follow(first.feed, 1)];
    for (const entries of waiting) await take(entries, 1);
    log.error = new Error('it is gone');
    for (const entries of waiting) await expect(entries.next()).rejects.toBe(log.error);
    first.leave();

    log.error = undefined;
    const second = feeds.join(read);
    expect(second.feed).not.toBe(first.feed);
    expect(await take(follow(second.feed, 0), 1)).toEqual(['1']);
    second.leave();
  });

  it.each([
    ['too busy', Object.assign(new Error('timeout exceeded when trying to connect'))],
    ['a standby that has to go on with its replay', Object.assign(new Error('conflict'), { code: '40001' })],
  ])('asks again when the database is %s', async (_, error) => {
    const { log, feed } = logOf(1);
    const entries = follow(feed, 1);
    await take(entries, 1);
    log.error = error;
    const next = entries.next();
    await new Promise((resolve) => setTimeout(resolve, 10));
    log.length = 2;
    log.error = undefined;
    expect(say((await next).value)).toBe('2');
  });

  it('reads no more when its last follower has left, and not before', async () => {
    const { log, rows } = logOf(1);
    const feeds = new LogFeeds({ pollMs: 1 });
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
    const [one, other] = [feeds.join(read), feeds.join(read)];
    expect(one.feed).toBe(other.feed);
    one.leave();
    await eventually(() => expect(log.polls).toBeGreaterThan(2));
    expect(ended).toBe(0);
    other.leave();
    expect(ended).toBe(1);
  });
});
