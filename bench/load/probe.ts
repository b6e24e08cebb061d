import { setTimeout as delay } from 'node:timers/promises';
import type { Ended, Wire } from './wire.ts';

/** One call of the probe. */
export interface Probed {
  readonly how: Ended['how'];
  /** From request to the end of the answer. */
  readonly ms: number;
}

/** Calls at a constant rate, each with its end and its time: what h2load does not tell apart. */
export async function probe(wire: Wire, { perSecond, seconds }: { perSecond: number; seconds: number }): Promise<Probed[]> {
  const calls: Promise<Probed>[] = [];
  const started = performance.now();
  for (let number = 0; number < perSecond * seconds; number += 1) {
    const wait = started + (number * 1000) / perSecond - performance.now();
    if (wait > 1) await delay(wait);
    const sent = performance.now();
    calls.push(wire.call().then(({ how }) => ({ how, ms: performance.now() - sent })));
  }
  return await Promise.all(calls);
}
