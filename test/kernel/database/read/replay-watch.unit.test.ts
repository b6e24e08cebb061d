import { describe, expect, it } from '@jest/globals';
import { Cancellation } from '../../../../src/kernel/bus/cancellation.ts';
import { CallCanceled } from '../../../../src/kernel/bus/errors.ts';
import { waitForLsn } from '../../../../src/kernel/database/read/probe.ts';
import { ReplayWatch } from '../../../../src/kernel/database/read/replay-watch.ts';
import { standingOf } from '../../../../src/kernel/database/read/timelines.ts';
import { eventually } from '../../../support/eventually.ts';

const at = (lsn: bigint) => ({ timeline: 1, lsn });

/** A replica that is where it is said to be, and known to be where it was at the last look. */
function replica() {
  const state = { is: 0n, known: 0n, looks: [] as bigint[] };
  const watch = new ReplayWatch({
    standing: (seen) => standingOf(seen, at(state.known), new Map()),
    look: async (lsn) => {
      state.looks.push(lsn);
      state.known = state.is;
    },
  });
  return { state, has: (lsn: bigint, cancellation = new Cancellation()) => watch.has(at(lsn), cancellation) };
}

describe('waiting for a replica', () => {
  it('takes no look for what is known', async () => {
    const { state, has } = replica();
    state.known = 10n;
    expect(await has(10n)).toBe(true);
    expect(state.looks).toEqual([]);
  });

  it('ends when the replica has it, with one look for all who wait', async () => {
    const { state, has } = replica();
    state.is = 30n;
    expect(await Promise.all([has(20n), has(10n), has(30n)])).toEqual([true, true, true]);
    expect(state.looks.length).toBeLessThanOrEqual(2);
  });

  it('ends without it after a short time, and nobody waits for as much until it is there', async () => {
    const { state, has } = replica();
    expect(await has(20n)).toBe(false);
    const looks = state.looks.length;
    expect(looks).toBeGreaterThan(0);
    expect(await Promise.all([has(20n), has(25n)])).toEqual([false, false]);
    expect(state.looks).toHaveLength(looks);
    // Less than that can be there any moment.
    state.is = 15n;
    expect(await has(15n)).toBe(true);
    state.is = 40n;
    state.known = 20n;
    expect(await has(40n)).toBe(true);
  });

  it('looks no more when nobody waits', async () => {
    const { state, has } = replica();
    const cancellation = new Cancellation();
    const waiting = has(10n, cancellation);
    await eventually(() => expect(state.looks.length).toBeGreaterThan(1));
    cancellation.cancel(new CallCanceled());
    await expect(waiting).rejects.toBeInstanceOf(CallCanceled);
    state.is = 5n;
    // Whoever waits next is answered by the looks that begin with it.
    expect(await has(5n)).toBe(true);
    const looks = state.looks.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(state.looks.length).toBeLessThanOrEqual(looks + 1);
  });

  it('is asked of a server that can wait itself in its own words', () => {
    expect(waitForLsn(0x16_b374_d848n, 20)).toBe(
      "wait for lsn '16/B374D848' with (mode 'standby_replay', timeout '20ms', no_throw)",
    );
  });
});
