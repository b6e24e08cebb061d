import { setTimeout as delay } from 'node:timers/promises';
import { type Ended, openWire, type Target } from './wire.ts';

/** One call of the probe. */
export interface Probed {
  readonly how: Ended['how'];
  /** From request to the end of the answer. */
  readonly ms: number;
}

/** Over HTTP/1.1 a connection that waits for its answer must not keep the next call. */
const CONNECTIONS = { grpc: 1, connect: 100 };

/** Calls at a constant rate on connections of their own, each with its end and its time: what h2load does not tell apart. */
export async function probe(options: {
  readonly target: Target;
  readonly perSecond: number;
  readonly seconds: number;
}): Promise<Probed[]> {
  const { target, perSecond, seconds } = options;
  const wire = await openWire(target, CONNECTIONS[target.door]);
  const calls: Promise<Probed>[] = [];
  const started = performance.now();
  for (let number = 0; number < perSecond * seconds; number += 1) {
    const wait = started + (number * 1000) / perSecond - performance.now();
    if (wait > 1) await delay(wait);
    const sent = performance.now();
    calls.push(wire.call().then(({ how }) => ({ how, ms: performance.now() - sent })));
  }
  const probed = await Promise.all(calls);
  wire.close();
  return probed;
}
