import { describe, expect, it } from '@jest/globals';
import { SlowestCalls } from '../../../../src/kernel/telemetry/metrics/slowest-calls.ts';

function calls() {
  let now = 1_000_000;
  const kept = new SlowestCalls(() => now);
  return {
    kept,
    later: (ms: number) => {
      now += ms;
    },
    add: (seconds: number) => kept.add({ method: 'm', code: 'OK', seconds }, () => `trace of ${seconds}`),
  };
}

describe('the slowest calls', () => {
  it('are ten, the slowest first, with their traces', () => {
    const { kept, add } = calls();
    for (let n = 1; n <= 30; n += 1) add(n % 2 ? n : 31 - n);
    expect(kept.list().map(({ seconds }) => seconds)).toEqual([29, 29, 27, 27, 25, 25, 23, 23, 21, 21]);
    expect(kept.list()[0]).toMatchObject({ method: 'm', code: 'OK', traceId: 'trace of 29' });
  });

  it('are of the last minute', () => {
    const { kept, add, later } = calls();
    add(5);
    later(50_000);
    add(3);
    later(20_000);
    add(1);
    expect(kept.list().map(({ seconds }) => seconds)).toEqual([3, 1]);
    later(61_000);
    expect(kept.list()).toEqual([]);
    later(10_000_000);
    add(0.001);
    expect(kept.list().map(({ seconds }) => seconds)).toEqual([0.001]);
  });

  it('ask for the trace of those alone that are kept', () => {
    const { kept, add } = calls();
    for (let n = 0; n < 10; n += 1) add(9);
    kept.add({ method: 'm', code: 'OK', seconds: 1 }, () => {
      throw new Error('asked for');
    });
    expect(kept.list()).toHaveLength(10);
  });
});
