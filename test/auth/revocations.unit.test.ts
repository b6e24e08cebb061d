import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type EndedSessions, type RevocationWatch, startRevocationWatch } from '../../src/auth/revocations.ts';

describe('revocation watch', () => {
  let journal: EndedSessions[];
  let asked: (string | undefined)[];
  let broken: boolean;
  let logged: string[];
  let now: number;
  let watch: RevocationWatch;

  beforeEach(() => {
    journal = [];
    asked = [];
    broken = false;
    logged = [];
    now = 0;
  });
  afterEach(() => watch.stop());

  /** The journal stands for the table: the mark is how much of it was read. */
  function start(intervalMs = 60_000): RevocationWatch {
    const log = (_: unknown, message?: string) => void logged.push(message ?? String(_));
    watch = startRevocationWatch({
      intervalMs,
      logger: { warn: log, info: log },
      now: () => now,
      async read(afterXid) {
        asked.push(afterXid);
        if (broken) throw new Error('the database is away');
        return { rows: journal.slice(Number(afterXid ?? 0)), nextXid: String(journal.length) };
      },
    });
    return watch;
  }

  it('revokes the tokens from before the end of the sessions, of that user only', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start().refresh();

    expect(watch.isRevoked('ada', 1, 's1')).toBe(true);
    expect(watch.isRevoked('ada', 2, 's2')).toBe(false);
    expect(watch.isRevoked('bob', 1, 's3')).toBe(false);
  });

  it('spares the session that is kept', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: 's1' });
    await start().refresh();

    expect(watch.isRevoked('ada', 1, 's1')).toBe(false);
    expect(watch.isRevoked('ada', 1, 's2')).toBe(true);
    expect(watch.isRevoked('ada', 1, '')).toBe(true);
  });

  it('ends the kept session with the next end of sessions, in whatever order they are read', async () => {
    journal.push({ userId: 'ada', epoch: 3, keptSession: null }, { userId: 'ada', epoch: 2, keptSession: 's1' });
    await start().refresh();
    expect(watch.isRevoked('ada', 1, 's1')).toBe(true);
  });

  it('reads on from where it was', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start().refresh();
    journal.push({ userId: 'bob', epoch: 1, keptSession: null });
    await watch.refresh();

    expect(asked).toEqual([undefined, '1', '1']);
    expect(watch.isRevoked('ada', 1, 's1')).toBe(true);
    expect(watch.isRevoked('bob', 0, 's2')).toBe(true);
  });

  it('forgets an entry when no token from before it can live, and no sooner', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start().refresh();

    now = 16 * 60_000;
    await watch.refresh();
    expect(watch.isRevoked('ada', 1, 's1')).toBe(true);

    now = 16 * 60_000 + 1;
    await watch.refresh();
    expect(watch.isRevoked('ada', 1, 's1')).toBe(false);
  });

  it('sees what was ended by itself within its interval', async () => {
    start(5);
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await until(() => watch.isRevoked('ada', 1, 's1'));
  });

  it('survives an outage, logs it once and keeps what it knows', async () => {
    journal.push({ userId: 'ada', epoch: 2, keptSession: null });
    await start(2).refresh();
    broken = true;
    await expect(watch.refresh()).rejects.toThrow('the database is away');
    const before = asked.length;
    await until(() => asked.length > before + 3);
    expect(watch.isRevoked('ada', 1, 's1')).toBe(true);
    expect(logged).toEqual(['ended sessions cannot be read; trying again']);

    broken = false;
    journal.push({ userId: 'bob', epoch: 1, keptSession: null });
    await until(() => watch.isRevoked('bob', 0, 's2'));
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
