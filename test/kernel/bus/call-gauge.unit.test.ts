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

  describe('in a storm', () => {
    /** Fills the gauge, has some more calls refused, and empties it: one look later. */
    function storm(gauge: CallGauge, { refused, isBusy }: { refused: number; isBusy: boolean }): number {
      let entered = 0;
      while (gauge.enter()) entered += 1;
      for (let call = 1; call < refused; call += 1) gauge.expect();
      for (let call = 0; call < entered; call += 1) gauge.leave();
      gauge.shorten(isBusy);
      return gauge.limit;
    }
    const limits = (gauge: CallGauge, looks: number, how: { refused: number; isBusy: boolean }): number[] =>
      Array.from({ length: looks }, () => storm(gauge, how));

    it('lets fewer in, step by step down to half, and all again when it is over', () => {
      const gauge = new CallGauge(100);
      expect(limits(gauge, 7, { refused: 50, isBusy: true })).toEqual([100, 90, 80, 70, 60, 50, 50]);
      expect(limits(gauge, 6, { refused: 1, isBusy: true })).toEqual([60, 70, 80, 90, 100, 100]);
    });

    it('lets in as many as ever while the processor has time left', () => {
      const gauge = new CallGauge(100);
      expect(limits(gauge, 3, { refused: 1000, isBusy: false })).toEqual([100, 100, 100]);
    });

    it('lets in as many as ever in bursts that are over between two looks', () => {
      const gauge = new CallGauge(100);
      for (let burst = 1; burst <= 3; burst += 1) {
        expect(storm(gauge, { refused: 1000, isBusy: true })).toBe(100);
        expect(storm(gauge, { refused: 1, isBusy: true })).toBe(100);
      }
    });

    it('has a few calls refused by a burst without that', () => {
      const gauge = new CallGauge(100);
      expect(limits(gauge, 3, { refused: 5, isBusy: true })).toEqual([100, 100, 100]);
    });

    it('has its limit when nothing is called', () => {
      const gauge = new CallGauge(100);
      gauge.shorten(true);
      expect(gauge.limit).toBe(100);
    });
  });
});
