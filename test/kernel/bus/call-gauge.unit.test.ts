import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { CallGauge } from '../../../src/kernel/bus/call-gauge.ts';

describe('CallGauge', () => {
  it('lets as many calls in as the limit says, and the next when one has left', () => {
    const gauge = new CallGauge(2);
    expect([gauge.enter(), gauge.enter(), gauge.enter()]).toEqual([true, true, false]);
    gauge.leave();
    expect(gauge.inFlight).toBe(1);
    expect([gauge.enter(), gauge.enter()]).toEqual([true, false]);
  });

  it('counts the calls that are on their way', () => {
    const gauge = new CallGauge(3);
    gauge.enter();
    expect([gauge.expect(), gauge.expect(), gauge.expect()]).toEqual([true, true, false]);
  });

  it('counts a call once that came as expected', () => {
    const gauge = new CallGauge(2);
    gauge.expect();
    gauge.enter();
    expect(gauge.expect()).toBe(true);
    expect(gauge.expect()).toBe(false);
  });

  it('keeps no place for a call that did not come', async () => {
    const gauge = new CallGauge(1);
    expect([gauge.expect(), gauge.expect()]).toEqual([true, false]);
    await turn();
    expect(gauge.expect()).toBe(true);
  });
});
