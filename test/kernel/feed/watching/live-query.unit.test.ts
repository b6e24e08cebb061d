import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CompiledQuery } from 'kysely';
import { createPageTokens } from '../../../../src/kernel/bus/page-token.ts';
import type { Reader } from '../../../../src/kernel/database/read/reader.ts';
import { liveQuery, type Told } from '../../../../src/kernel/feed/watching/live-query.ts';
import { ResumeTokenInvalid, resumeTokens } from '../../../../src/kernel/feed/watching/resume-token.ts';
import type { WatchedList } from '../../../../src/kernel/feed/watching/watched-list.ts';
import { eventually } from '../../../support/eventually.ts';

interface Row {
  readonly id: string;
  readonly color: string;
  readonly version: number;
}

/** A database with a feed and one read model: rows of numbers 1, 2, 3, … that have a color. */
class Colors {
  readonly rows = new Map<string, Row>();
  readonly #feed: { readonly id: string; readonly type: string }[] = [];
  readonly statements: string[] = [];
  /** Up to where the feed was looked at. */
  read = 0;
  readonly #wakes = new Set<() => void>();
  /** What pages of the feed, which have seen the database, wait for before they return. */
  delivery: Promise<void> = Promise.resolve();

  get news() {
    const feed = this.#feed;
    return {
      get lastSequence() {
        return feed.length;
      },
      onNews: (wake: () => void) => {
        this.#wakes.add(wake);
        return () => this.#wakes.delete(wake);
      },
    };
  }

  get end(): number {
    return this.#feed.length;
  }

  paint(number: number, color: string, type = 'Painted'): void {
    const id = idOf(number);
    this.rows.set(id, { id, color, version: (this.rows.get(id)?.version ?? 0) + 1 });
    this.#feed.push({ id, type });
    for (const wake of [...this.#wakes]) wake();
  }

  remove(number: number): void {
    this.rows.delete(idOf(number));
    this.#feed.push({ id: idOf(number), type: 'Removed' });
    for (const wake of [...this.#wakes]) wake();
  }

  /** A reader of this database under a name. */
  reader(name = 'primary'): Pick<Reader, 'name' | 'endingWith'> {
    const rows: Reader['rows'] = async (statement, parameters = []) => {
      const found = this.#answer(statement, parameters);
      await new Promise(setImmediate);
      if (statement.sql.includes('watched_end')) await this.delivery;
      return found as never;
    };
    const reader = { name, rows, endingWith: () => reader } as unknown as Reader;
    return reader;
  }

  #answer({ sql }: CompiledQuery<unknown>, parameters: readonly unknown[]): unknown[] {
    if (sql === 'snapshot') {
      this.statements.push('snapshot');
      return [...this.rows.values()];
    }
    if (sql.includes('last_sequence')) return [{ last_sequence: String(this.end) }];
    const places = [...this.#feed.entries()].map(([index, event]) => ({ ...event, place: index + 1 }));
    const changed = (part: typeof places, staying: readonly string[]) => {
      const last = new Map<string, { place: number; mayLeave: boolean }>();
      for (const { id, type, place } of part) {
        const mayLeave = (last.get(id)?.mayLeave ?? false) || !staying.includes(type);
        last.delete(id);
        last.set(id, { place, mayLeave });
      }
      return [...last].map(([id, { place, mayLeave }]) => ({
        ...(this.rows.get(id) ?? { id: null }),
        watched_id: id,
        watched_place: String(place),
        watched_may_leave: mayLeave,
      }));
    };
    if (sql.includes('watched_end')) {
      this.statements.push('page');
      const [after, staying] = parameters as [string, string[]];
      const part = places.filter(({ place }) => place > Number(after)).slice(0, 500);
      const rows = changed(part, staying);
      const end = part.length > 0 ? String(part.at(-1)?.place) : null;
      this.read = Math.max(this.read, Number(end));
      return rows.length > 0 ? rows.map((row) => ({ ...row, watched_end: end })) : [{ watched_end: end, watched_id: null }];
    }
    this.statements.push('changed');
    const [staying, after, through, , behind, ids] = parameters as [string[], string, string, string, string, string[]?];
    const part = places.filter(
      ({ place, id }) => place > Number(after) && place <= Number(through) && (ids?.includes(id) ?? true),
    );
    return changed(part, staying)
      .filter((row) => row.watched_id > behind)
      .sort((one, other) => (one.watched_id < other.watched_id ? -1 : 1))
      .slice(0, 500);
  }
}

const idOf = (number: number): string => `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`;
const numberOf = (id: string): number => Number(id.slice(-12));

const pageTokens = createPageTokens(randomBytes(32));
const snapshot = { sql: 'snapshot', parameters: [] } as unknown as CompiledQuery<Row>;

const ofColor = (color: string | undefined, numbers?: readonly number[]): WatchedList<Row> => {
  const ids = numbers && new Set(numbers.map(idOf));
  const has = (row: Row): boolean => color === undefined || row.color === color;
  return {
    identity: [color, numbers],
    ids,
    has,
    page: async (read, after) => {
      const rows = (await read.rows(snapshot)).filter(
        (row) => has(row) && (ids?.has(row.id) ?? true) && row.id > (after?.[0] ?? ''),
      );
      const page = rows.toSorted((one, other) => (one.id < other.id ? -1 : 1)).slice(0, 3);
      return { rows: page, next: page.length === 3 ? [page[2]?.id ?? ''] : undefined };
    },
  };
};

const said = (told: Told<Row>): string =>
  told.kind === 'removed'
    ? `removed ${numberOf(told.id)}`
    : 'row' in told
      ? `${told.kind} ${numberOf(told.row.id)} ${told.row.color}`
      : told.kind;

let colors: Colors;
let live: ReturnType<typeof liveQuery<Row>>;
let stop: AbortController;
const open: AsyncGenerator<Told<Row>>[] = [];
beforeEach(() => {
  colors = new Colors();
  const columns = ['id', 'color', 'version'] as const;
  live = liveQuery<Row>(
    { aggregateType: 'Thing', table: 'read.color', id: 'id', columns, staying: ['Created'] },
    { news: colors.news, pageTokens },
  );
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await Promise.all(open.splice(0).map((messages) => messages.return(undefined).catch(() => {})));
});

function watch(list: WatchedList<Row>, { resumeToken = '', read = colors.reader(), heartbeatMs = 10_000 } = {}) {
  const messages = live.watch(read, list, { resumeToken, signal: stop.signal, heartbeatMs });
  open.push(messages);
  const next = async (): Promise<Told<Row>> => (await messages.next()).value as Told<Row>;
  return {
    next: () => {
      const told = next();
      // It may be waiting when the test is over.
      told.catch(() => {});
      return told;
    },
    leave: () => messages.return(undefined),
    /** What is said up to a message that begins so, with that one. */
    until: async (start: string): Promise<string[]> => {
      const taken: string[] = [];
      while (!taken.at(-1)?.startsWith(start)) taken.push(said(await next()));
      return taken;
    },
  };
}

describe('a live query', () => {
  it('tells what is on the list, then what comes to it, changes on it and leaves it', async () => {
    for (const [index, color] of ['red', 'blue', 'red', 'red', 'red'].entries()) colors.paint(index + 1, color);
    const stream = watch(ofColor('red'));
    expect(await stream.until('caughtUp')).toEqual([
      'snapshot 1 red',
      'snapshot 3 red',
      'snapshot 4 red',
      'snapshot 5 red',
      'caughtUp',
    ]);
    colors.paint(2, 'red');
    expect(said(await stream.next())).toBe('upsert 2 red');
    colors.paint(2, 'blue');
    expect(said(await stream.next())).toBe('removed 2');
    colors.remove(5);
    expect(said(await stream.next())).toBe('removed 5');
  });

  it('tells of what changed while the snapshot was read, and no row in an older version than before', async () => {
    for (let number = 1; number <= 5; number += 1) colors.paint(number, 'red');
    const stream = watch(ofColor('red'));
    const taken = [await stream.next()];
    // A look at the feed sees the second version of 4, and has come back only when a page of the snapshot has the third one.
    const gate = Promise.withResolvers<void>();
    colors.delivery = gate.promise;
    const pages = colors.statements.filter((kind) => kind === 'page').length;
    colors.paint(4, 'red');
    await eventually(() => expect(colors.statements.filter((kind) => kind === 'page').length).toBeGreaterThan(pages));
    colors.paint(4, 'red');
    colors.paint(1, 'blue');
    while (!('row' in (taken.at(-1) ?? {})) || said(taken.at(-1) as Told<Row>) !== 'snapshot 4 red')
      taken.push(await stream.next());
    gate.resolve();
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    colors.paint(5, 'green');
    while (said(taken.at(-1) as Told<Row>) !== 'removed 5') taken.push(await stream.next());

    expect(taken.map(said)).toContain('removed 1');
    const versions = taken.flatMap((told) => ('row' in told && numberOf(told.row.id) === 4 ? [told.row.version] : []));
    expect(versions[0]).toBe(3);
    expect(versions.every((version) => version === 3)).toBe(true);
  });

  it('says nothing of what cannot have been on the list', async () => {
    const stream = watch({ ...ofColor('red'), mayHaveHad: ({ version }) => version > 1 });
    await stream.until('caughtUp');
    colors.paint(1, 'blue', 'Created');
    colors.paint(2, 'blue');
    colors.paint(3, 'red');
    expect(said(await stream.next())).toBe('upsert 3 red');
    colors.paint(2, 'green');
    expect(said(await stream.next())).toBe('removed 2');
  });

  it('keeps the latest change of each row for whoever is slow, and reads what changed once that is too much', async () => {
    for (let number = 1; number <= 3; number += 1) colors.paint(number, 'red');
    const stream = watch(ofColor(undefined));
    await stream.until('caughtUp');
    const waiting = stream.next();
    for (let time = 1; time <= 50; time += 1)
      for (let number = 1; number <= 3; number += 1) colors.paint(number, `color ${time}`);
    const few = [said(await waiting)];
    await eventually(() => expect(colors.statements.at(-1)).toBe('page'));
    // Of a few rows, the last change is kept: those that are under way, and one for each row.
    while (few.filter((text) => text.endsWith(' 50')).length < 3) few.push(said(await stream.next()));
    expect(few.length).toBeLessThan(10);
    expect(colors.statements).not.toContain('changed');

    // Many changes of many rows, more than what the instance keeps.
    for (let time = 1; time <= 5; time += 1)
      for (let number = 1; number <= 600; number += 1) colors.paint(number, `again ${time}`);
    await eventually(() => expect(colors.read).toBe(colors.end));
    const rest = new Map<string, string>();
    let messages = 0;
    while ([...rest.values()].filter((text) => text === 'again 5').length < 600) {
      const told = await stream.next();
      messages += 1;
      if ('row' in told) rest.set(told.row.id, told.row.color);
    }
    expect(messages).toBeLessThan(2_000);
    expect(colors.statements).toContain('changed');
  });

  it('goes on with a token where it was, on any database, and not before that has what the token tells of', async () => {
    for (let number = 1; number <= 8; number += 1) colors.paint(number, 'red');
    const first = watch(ofColor('red'));
    let resumeToken = '';
    while (resumeToken === '') ({ resumeToken } = await first.next());
    await first.leave();
    colors.paint(2, 'blue');

    // A replica that has nothing yet.
    const behind = new Colors();
    const other = liveQuery<Row>(
      { aggregateType: 'Thing', table: 'read.color', id: 'id', columns: ['id', 'color', 'version'] },
      { news: behind.news, pageTokens },
    );
    const messages = other.watch(behind.reader('replica-1'), ofColor('red'), { resumeToken, signal: stop.signal });
    open.push(messages);
    const next = messages.next();
    await new Promise(setImmediate);
    expect(behind.statements).not.toContain('snapshot');
    for (let number = 1; number <= 8; number += 1) behind.paint(number, 'red');
    behind.paint(2, 'blue');
    const told = [said((await next).value as Told<Row>)];
    while (told.at(-1) !== 'caughtUp') told.push(said((await messages.next()).value as Told<Row>));
    expect(told).toEqual([
      'snapshot 4 red',
      'snapshot 5 red',
      'snapshot 6 red',
      'snapshot 7 red',
      'snapshot 8 red',
      'removed 2',
      'caughtUp',
    ]);
  });

  it('goes on from a token that is ahead of the database, and repeats nothing', async () => {
    for (let number = 1; number <= 3; number += 1) colors.paint(number, 'red');
    const stream = watch(ofColor('red'));
    let resumeToken = '';
    for (let told = await stream.next(); ; told = await stream.next()) {
      resumeToken = told.resumeToken;
      if (told.kind === 'caughtUp') break;
    }
    await stream.leave();
    const behind = new Colors();
    behind.paint(1, 'red');
    const other = liveQuery<Row>(
      { aggregateType: 'Thing', table: 'read.color', id: 'id', columns: ['id', 'color', 'version'] },
      { news: behind.news, pageTokens },
    );
    const messages = other.watch(behind.reader('replica-1'), ofColor('red'), { resumeToken, signal: stop.signal });
    open.push(messages);
    expect(said((await messages.next()).value as Told<Row>)).toBe('caughtUp');
    for (const number of [2, 3]) behind.paint(number, 'red');
    behind.paint(3, 'blue');
    expect(said((await messages.next()).value as Told<Row>)).toBe('removed 3');
  });

  it('refuses a token of another list', async () => {
    const { resumeToken } = await watch(ofColor('red')).next();
    await expect(watch(ofColor('blue'), { resumeToken }).next()).rejects.toThrow(ResumeTokenInvalid);
    await expect(watch(ofColor('red'), { resumeToken: 'x' }).next()).rejects.toThrow(ResumeTokenInvalid);
  });

  it('gives signs of life, whose token is further than the last change', async () => {
    const stream = watch(ofColor('red', [1]), { heartbeatMs: 5 });
    const { resumeToken } = await stream.next();
    colors.paint(2, 'red');
    colors.paint(3, 'red');
    await eventually(async () => expect(said(await stream.next())).toBe('heartbeat'));
    const tokens = resumeTokens(pageTokens, ['read.color', 'red', [1]]);
    expect(tokens.open(resumeToken)?.place).toBe(0n);
    await eventually(async () => expect(tokens.open((await stream.next()).resumeToken)?.place).toBe(2n));
  });

  it('reads the feed once for all who watch, and wakes nobody whom a change does not concern', async () => {
    colors.paint(1, 'red');
    const streams = Array.from({ length: 100 }, (_, index) => watch(ofColor(undefined, [index + 1])));
    for (const stream of streams) await stream.until('caughtUp');
    const read = colors.statements.length;
    let woken = 0;
    const nexts = streams.map(async ({ next }) => {
      const told = await next();
      woken += 1;
      return told;
    });
    for (const told of nexts) told.catch(() => {});
    colors.paint(7, 'red');
    expect(said((await nexts[6]) as Told<Row>)).toBe('upsert 7 red');
    expect(woken).toBe(1);
    expect(colors.statements.length - read).toBeLessThan(5);
  });

  it('ends with what the reading failed with', async () => {
    const broken = { name: 'primary', endingWith: () => broken, rows: async () => Promise.reject(new Error('the disk is gone')) };
    await expect(watch(ofColor('red'), { read: broken as never }).next()).rejects.toThrow('the disk is gone');
  });
});
