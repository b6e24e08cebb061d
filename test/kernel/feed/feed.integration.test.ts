import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { type RunningNews, startNews } from '../../../src/kernel/feed/news.ts';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';
import { asAdmin, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

const stack = new AsyncDisposableStack();
let app: TestApp;
let pool: pg.Pool;
let news: RunningNews;
let userId: string;
beforeAll(async () => {
  app = await startTestApp();
  stack.defer(() => app.stop());
  pool = new pg.Pool({ ...app.database.connections.reader, max: 1 });
  pool.on('error', () => {});
  stack.defer(() => pool.end());
  news = startNews({ pool, logger: pino({ level: 'silent' }) });
  stack.defer(news.stop);
  userId = (await signUp(app)).id;
});
afterAll(() => stack.disposeAsync());

let renamed = 0;
const rename = (): Promise<unknown> => asAdmin(app).changeName({ userId, name: `Renamed ${renamed++}` });
const events = async (): Promise<number> => {
  const [row] = await app.database.query<{ events: string }>('select count(*) as events from cqrs.event');
  return Number(row?.events);
};

describe('the feed', () => {
  it('has a number for each event that a command stored', async () => {
    await Promise.all(Array.from({ length: 20 }, rename));
    const stored = await events();
    expect(stored).toBeGreaterThan(20);
    await eventually(() => expect(news.lastSequence).toBe(stored));
    const numbers = await app.database.query<{ sequence: string }>(
      'select sequence from cqrs.feed join cqrs.event using (position) order by sequence',
    );
    expect(numbers.map(({ sequence }) => Number(sequence))).toEqual(Array.from({ length: stored }, (_, index) => index + 1));
    expect(app.log()).not.toContain('events cannot be numbered');
  });

  it('is heard of by whoever waits for what comes behind a number', async () => {
    await eventually(async () => expect(news.lastSequence).toBe(await events()));
    const before = news.lastSequence;
    const waiting = news.wait(before, { ms: FOREVER });
    await rename();
    await waiting;
    expect(news.lastSequence).toBeGreaterThan(before);
    await news.wait(before, { ms: FOREVER });
  });

  it('is not waited for when the time is over, or nobody wants to know any more', async () => {
    await news.wait(news.lastSequence + 1000, { ms: 1 });
    const leaving = new AbortController();
    const waiting = news.wait(news.lastSequence + 1000, { ms: FOREVER, signal: leaving.signal });
    leaving.abort();
    await waiting;
  });

  it('is heard of again after the connections were lost', async () => {
    let woken = 0;
    const leave = news.onNews(() => {
      woken += 1;
    });
    await app.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
    );
    await eventually(rename as () => Promise<void>);
    await eventually(async () => expect(news.lastSequence).toBe(await events()));
    expect(woken).toBeGreaterThan(0);
    leave();
  });
});
