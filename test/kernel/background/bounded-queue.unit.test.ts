import { describe, expect, it } from '@jest/globals';
import { boundedQueue } from '../../../src/kernel/background/bounded-queue.ts';
import { Overloaded } from '../../../src/kernel/bus/errors.ts';

/** Work that ends when it is told to. */
function job() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const started = { value: false };
  const work = () => {
    started.value = true;
    return promise;
  };
  return { work, started, end: resolve, fail: reject };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('bounded queue', () => {
  const queueOf = (concurrency: number, maxWaiting: number) => boundedQueue({ resource: 'testing', concurrency, maxWaiting });

  it('runs as much at once as it may, and the rest in the order of arrival', async () => {
    const inTurn = queueOf(2, 10);
    const jobs = Array.from({ length: 4 }, job);
    const done = jobs.map(({ work }) => inTurn(work));
    const started = async () => {
      await settle();
      return jobs.map((each) => each.started.value);
    };

    expect(await started()).toEqual([true, true, false, false]);
    jobs[1]?.end();
    expect(await started()).toEqual([true, true, true, false]);
    jobs[0]?.end();
    expect(await started()).toEqual([true, true, true, true]);
    jobs[2]?.end();
    jobs[3]?.end();
    await Promise.all(done);
  });

  it('answers what the work answers, and goes on after work that failed', async () => {
    const inTurn = queueOf(1, 10);
    const failing = inTurn(() => Promise.reject(new Error('broken')));
    const next = inTurn(async () => 42);
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe(42);
  });

  it('refuses a call when as many wait as may, and takes calls again later', async () => {
    const inTurn = queueOf(1, 1);
    const running = job();
    const first = inTurn(running.work);
    const second = inTurn(async () => 'second');

    const refused = inTurn(async () => 'third');
    await expect(refused).rejects.toBeInstanceOf(Overloaded);
    await expect(refused).rejects.toMatchObject({ metadata: { resource: 'testing' } });

    running.end();
    await first;
    expect(await second).toBe('second');
    expect(await inTurn(async () => 'fourth')).toBe('fourth');
  });

  it('lets a call leave while it waits, and gives its place to another', async () => {
    const inTurn = queueOf(1, 1);
    const running = job();
    const first = inTurn(running.work);
    const waiting = job();
    const leaving = new AbortController();
    const second = inTurn(waiting.work, { signal: leaving.signal });

    leaving.abort(new Error('the caller gave up'));
    await expect(second).rejects.toThrow('the caller gave up');
    const third = inTurn(async () => 'third');

    running.end();
    await first;
    expect(await third).toBe('third');
    expect(waiting.started.value).toBe(false);
  });

  it('has callers take turns, however much one of them sends', async () => {
    const inTurn = queueOf(1, 100);
    const running = job();
    const first = inTurn(running.work);
    const order: string[] = [];
    const send = (caller: string, name: string) => inTurn(async () => void order.push(name), { caller });
    const all = [...[1, 2, 3, 4].map((n) => send('flood', `flood ${n}`)), send('ada', 'ada 1'), send('grace', 'grace 1')];
    all.push(send('ada', 'ada 2'));
    running.end();
    await Promise.all([first, ...all]);
    expect(order).toEqual(['flood 1', 'ada 1', 'grace 1', 'flood 2', 'ada 2', 'flood 3', 'flood 4']);
  });

  it('gives a place in a full queue to who has fewer, at the cost of who has most', async () => {
    const inTurn = queueOf(1, 3);
    const running = job();
    const first = inTurn(running.work);
    const flood = Array.from({ length: 4 }, () => inTurn(async () => 'flood', { caller: 'flood' }));
    await expect(flood[3]).rejects.toBeInstanceOf(Overloaded);
    const ada = inTurn(async () => 'ada', { caller: 'ada' });
    await expect(flood[2]).rejects.toBeInstanceOf(Overloaded);
    // Two against one: another place would only move the trouble.
    await expect(inTurn(async () => 'ada', { caller: 'ada' })).rejects.toBeInstanceOf(Overloaded);
    running.end();
    await first;
    expect(await Promise.all([flood[0], flood[1], ada])).toEqual(['flood', 'flood', 'ada']);
  });

  it('does not begin for a call that is over already', async () => {
    const { work, started } = job();
    await expect(queueOf(1, 1)(work, { signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow('too late');
    expect(started.value).toBe(false);
  });

  it('ends work that has begun, whatever the caller does', async () => {
    const inTurn = queueOf(1, 1);
    const running = job();
    const leaving = new AbortController();
    const call = inTurn(running.work, { signal: leaving.signal });
    await settle();
    leaving.abort(new Error('the caller gave up'));
    running.end();
    await call;
  });
});
