import { describe, expect, it } from '@jest/globals';
import { Overloaded } from '../../../../src/cqrs/errors.ts';
import { boundedQueue } from '../../../../src/modules/users/persistence/bounded-queue.ts';

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
    const second = inTurn(waiting.work, leaving.signal);

    leaving.abort(new Error('the caller gave up'));
    await expect(second).rejects.toThrow('the caller gave up');
    const third = inTurn(async () => 'third');

    running.end();
    await first;
    expect(await third).toBe('third');
    expect(waiting.started.value).toBe(false);
  });

  it('does not begin for a call that is over already', async () => {
    const { work, started } = job();
    await expect(queueOf(1, 1)(work, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    expect(started.value).toBe(false);
  });

  it('ends work that has begun, whatever the caller does', async () => {
    const inTurn = queueOf(1, 1);
    const running = job();
    const leaving = new AbortController();
    const call = inTurn(running.work, leaving.signal);
    await settle();
    leaving.abort(new Error('the caller gave up'));
    running.end();
    await call;
  });
});
