import type { CallGauge } from './call-gauge.ts';

/** Between two looks, in milliseconds. */
const EVERY = 100;
/** The part of the time since the last look from which on the processor counts as busy. */
const BUSY = 0.95;

/**
 * Tells the gauges, a few times a second, whether this process has any time left: see `CallGauge.shorten`. Returns what ends that. It looks at
 * counters in memory, which cannot fail or wait.
 */
export function watchStorms(gauges: readonly Pick<CallGauge, 'shorten'>[]): () => void {
  let before = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const isBusy = performance.eventLoopUtilization(now, before).utilization > BUSY;
    before = now;
    for (const gauge of gauges) gauge.shorten(isBusy);
  }, EVERY).unref();
  return () => clearInterval(timer);
}
