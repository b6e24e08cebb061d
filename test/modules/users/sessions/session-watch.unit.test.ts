import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ClosedSession,
  type EndedSessions,
  type EndedSessionWatch,
  REMEMBERED_MS,
  startEndedSessionWatch,
} from '../../../../src/modules/users/sessions/session-watch.ts';

describe('ended session watch', () => {
  let journal: EndedSessions[];
  let closed: ClosedSession[];
  let asked: (string | undefined)[];
  let broken: boolean;
  let logged: string[];
  let now: number;
  let watch: EndedSessionWatch;

  beforeEach(() => {
    journal = [];
    closed = [];
    asked = [];
    broken = false;
    logged = [];
    now = 0;
  });
  afterEach(() => watch.stop());

  /** The journal stands for the table: the mark is how much of it was read. */
  function start(intervalMs = 60_000): EndedSessionWatch {
    const log = (_: unknown, message?: string) => void logged.push(message ?? String(_));
    watch = startEndedSessionWatch({
      intervalMs,
      logger: { warn: log, info: log },
      now: () => now,
      async read(mark) {
        asked.push(mark);
        if (broken) throw new Error('the database is away');
        return { ended: journal.slice(Number(mark ?? 0)), closed, mark: String(journal.length) };
      },
    });
    return watch;
  }

  it('revokes the tokens from before the end of the sessions, of that user only', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start().refresh();

    expect(watch.hasEnded('ada', 1, 's1')).toBe(true);
    expect(watch.hasEnded('ada', 2, 's2')).toBe(false);
    expect(watch.hasEnded('bob', 1, 's3')).toBe(false);
  });

  it('spares the session that is kept', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: 's1' });
    await start().refresh();

    expect(watch.hasEnded('ada', 1, 's1')).toBe(false);
    expect(watch.hasEnded('ada', 1, 's2')).toBe(true);
    expect(watch.hasEnded('ada', 1, '')).toBe(true);
  });

  it('ends the kept session with the next end of sessions, in whatever order they are read', async () => {
    journal.push({ userId: 'ada', epoch: 3, keptSession: null }, { userId: 'ada', epoch: 2, keptSession: 's1' });
    await start().refresh();
    expect(watch.hasEnded('ada', 1, 's1')).toBe(true);
  });

  it('ends one session and leaves the others of its user', async () => {
    closed.push({ userId: 'ada', session: 's1' });
    await start().refresh();
    expect(watch.hasEnded('ada', 1, 's1')).toBe(true);
    expect(watch.hasEnded('ada', 1, 's2')).toBe(false);
    expect(watch.hasEnded('ada', 1, '')).toBe(false);
  });

  it('tells who listens of each end once, and of nobody else', async () => {
    await start().refresh();
    const told: string[] = [];
    const forget = watch.onEnded('ada', () => told.push('ada'));
    watch.onEnded('bob', () => told.push('bob'));
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await watch.refresh();
    await watch.refresh();
    closed.push({ userId: 'bob', session: 's1' });
    await watch.refresh();
    await watch.refresh();
    expect(told).toEqual(['ada', 'bob']);

    forget();
    journal.push({ userId: 'ada', epoch: 3, keptSession: null });
    await watch.refresh();
    expect(told).toEqual(['ada', 'bob']);
  });

  it('reads on from where it was', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start().refresh();
    journal.push({ userId: 'bob', epoch: 1, keptSession: null });
    await watch.refresh();

    expect(asked).toEqual([undefined, '1', '1']);
    expect(watch.hasEnded('ada', 1, 's1')).toBe(true);
    expect(watch.hasEnded('bob', 0, 's2')).toBe(true);
  });

  it('forgets an entry when no token from before it can live, and no sooner', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start().refresh();

    now = REMEMBERED_MS;
    await watch.refresh();
    expect(watch.hasEnded('ada', 1, 's1')).toBe(true);

    now = REMEMBERED_MS + 1;
    await watch.refresh();
    expect(watch.hasEnded('ada', 1, 's1')).toBe(false);
  });

  it('sees what was ended by itself within its interval', async () => {
    start(5);
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await until(() => watch.hasEnded('ada', 1, 's1'));
  });

  it('survives an outage, logs it once and keeps what it knows', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start(2).refresh();
    broken = true;
    await expect(watch.refresh()).rejects.toThrow('the database is away');
    const before = asked.length;
    await until(() => asked.length > before + 3);
    expect(watch.hasEnded('ada', 1, 's1')).toBe(true);
    expect(logged).toEqual(['ended sessions cannot be read; trying again']);

    broken = false;
    journal.push({ userId: 'bob', epoch: 1, keptSession: null });
    await until(() => watch.hasEnded('bob', 0, 's2'));
    await until(() => logged.length === 2);
    expect(logged[1]).toBe('ended sessions can be read again');
  });

  it('reads no more once it is stopped', async () => {
    await start(1).refresh();
    await watch.stop();
    const before = asked.length;
    await sleep(20);
    expect(asked).toHaveLength(before);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(1);
}
