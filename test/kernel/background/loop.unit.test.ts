import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Alarm, type Loop, type LoopOptions, loop } from '../../../src/kernel/background/loop.ts';

const EVERY = 100;

/** Rounds that end when a test says so. */
interface Round {
  readonly end: (result?: number) => void;
  readonly fail: (error: Error) => void;
}

describe('loop', () => {
  let now: number;
  let alarms: Set<{ readonly at: number; readonly run: () => void }>;
  let rounds: Round[];
  let most: number;
  let lines: [level: string, fields: object, message: string][];
  beforeEach(() => {
    now = 0;
    alarms = new Set();
    rounds = [];
    most = 0;
    lines = [];
  });

  const alarm: Alarm = (ms, run) => {
    const set = { at: now + ms, run };
    alarms.add(set);
    return () => alarms.delete(set);
  };

  async function pass(ms: number): Promise<void> {
    now += ms;
    for (const due of [...alarms].filter(({ at }) => at <= now)) {
      alarms.delete(due);
      due.run();
    }
    await turn();
  }

  let underway = 0;
  function start(options: Partial<LoopOptions<number>> = {}): Loop<number> {
    underway = 0;
    const note = (level: string) => (fields: object, message: string) => void lines.push([level, fields, message]);
    return loop<number>({
      name: 'work',
      every: EVERY,
      alarm,
      outage: { logger: { warn: note('warn'), info: note('info') } as never, fails: 'work fails', works: 'work is done again' },
      round: async () => {
        const { promise, resolve, reject } = Promise.withResolvers<number>();
        rounds.push({ end: (result = 0) => resolve(result), fail: reject });
        underway += 1;
        most = Math.max(most, underway);
        return promise.finally(() => {
          underway -= 1;
        });
      },
      ...options,
    });
  }
  async function end(result?: number): Promise<void> {
    rounds.at(-1)?.end(result);
    await turn();
  }
  async function fail(message: string): Promise<void> {
    rounds.at(-1)?.fail(new Error(message));
    await turn();
  }

  it('does a round at once, and the next one a pause after its end', async () => {
    start();
    expect(rounds).toHaveLength(1);
    await pass(10 * EVERY);
    expect(rounds).toHaveLength(1);
    await end();
    await pass(EVERY - 1);
    expect(rounds).toHaveLength(1);
    await pass(1);
    expect(rounds).toHaveLength(2);
  });

  it('rests before the first round when it is told to, and asks for each pause how long it is', async () => {
    const pauses = [5, 7];
    start({ restsFirst: true, every: () => pauses.shift() ?? 0 });
    await pass(4);
    expect(rounds).toHaveLength(0);
    await pass(1);
    expect(rounds).toHaveLength(1);
    await end();
    await pass(6);
    expect(rounds).toHaveLength(1);
    await pass(1);
    expect(rounds).toHaveLength(2);
  });

  it('goes on after a round that fails, and says once that it fails and once that it works again', async () => {
    start();
    await fail('first');
    await pass(EVERY);
    await fail('second');
    await pass(EVERY);
    await end();
    await pass(EVERY);
    await end();
    expect(lines).toEqual([
      ['warn', { err: expect.objectContaining({ message: 'first' }), loop: 'work' }, 'work fails; trying again'],
      ['info', { failed: 2, loop: 'work' }, 'work is done again'],
    ]);
    await pass(EVERY);
    await fail('third');
    expect(lines).toHaveLength(3);
  });

  it('goes on after a round that throws', async () => {
    let count = 0;
    start({
      round: () => {
        count += 1;
        throw new Error('thrown');
      },
    });
    await turn();
    await pass(EVERY);
    expect(count).toBe(2);
  });

  it('begins at once when it is woken, and pauses anew', async () => {
    const work = start();
    await end();
    await pass(EVERY - 1);
    work.wake();
    expect(rounds).toHaveLength(2);
    await end();
    await pass(EVERY - 1);
    expect(rounds).toHaveLength(2);
  });

  it('does one more round after that in which it is woken, however often', async () => {
    const work = start();
    work.wake();
    work.wake();
    expect(rounds).toHaveLength(1);
    await end();
    expect(rounds).toHaveLength(2);
    await end();
    expect(rounds).toHaveLength(2);
    await pass(EVERY);
    expect(rounds).toHaveLength(3);
    expect(most).toBe(1);
  });

  it('returns what a round returns that begins after it was asked', async () => {
    const work = start();
    const both = Promise.all([work.next(), work.next()]);
    await end(1);
    await end(2);
    expect(await both).toEqual([2, 2]);

    const refused = expect(work.next()).rejects.toThrow('the database is away');
    await fail('the database is away');
    await refused;
  });

  it('ends after the round under way, and begins no other', async () => {
    const work = start();
    const asked = work.next();
    let isOver = false;
    const stopped = work.stop().then(() => {
      isOver = true;
    });
    await turn();
    expect(isOver).toBe(false);
    await fail('its connections are closed');
    await stopped;
    expect(await asked).toBeUndefined();
    expect(await work.next()).toBeUndefined();
    work.wake();
    await pass(EVERY);
    expect(rounds).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  it('ends at once while it rests', async () => {
    const work = start();
    await end();
    await work.stop();
    expect(alarms.size).toBe(0);
  });

  it('waits no longer for the round under way than the caller does', async () => {
    const work = start();
    const caller = new AbortController();
    const stopped = work.stop(caller.signal);
    caller.abort();
    await stopped;
    await work.stop(AbortSignal.abort());
    await end();
    await pass(EVERY);
    expect(rounds).toHaveLength(1);
  });

  it('does not keep the process alive', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const work = loop({ name: 'work', every: 1_000_000, restsFirst: true, round: () => {} });
    expect(timers()).toBe(before);
    await work.stop();
  });
});
