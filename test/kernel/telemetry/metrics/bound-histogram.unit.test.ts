import { describe, expect, it } from '@jest/globals';
import { Histogram, Registry } from 'prom-client';
import { BoundHistogram } from '../../../../src/kernel/telemetry/metrics/bound-histogram.ts';

const about = { name: 'took_seconds', help: 'How long it took.', buckets: [0.1, 0.5, 1] };
const VALUES = [0, 0.05, 0.1, 0.100001, 0.5, 0.7, 1, 2, 99];

describe('a bound histogram', () => {
  it("tells what prom-client's own does, to its last line", async () => {
    const theirs = new Registry();
    const histogram = new Histogram({ ...about, labelNames: ['method', 'code'], registers: [theirs] });
    const ours = new Registry();
    const bound = new BoundHistogram({ ...about, labelNames: ['method', 'code'], registry: ours });
    for (const labels of [
      { method: 'a', code: 'OK' },
      { method: 'a"b\\', code: 'NOT_FOUND' },
    ]) {
      histogram.zero(labels);
      for (const value of VALUES) {
        histogram.observe(labels, value);
        bound.series(labels).observe(value);
      }
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
  });

  it('has a series at 0 from when it is asked for, the same each time', async () => {
    const registry = new Registry();
    const bound = new BoundHistogram({ ...about, labelNames: ['code'], registry });
    expect(bound.series({ code: 'OK' })).toBe(bound.series({ code: 'OK' }));
    expect(await registry.metrics()).toContain('took_seconds_count{code="OK"} 0');
  });

  it('counts under another name what it measures', async () => {
    const registry = new Registry();
    const bound = new BoundHistogram({ ...about, labelNames: ['code'], registry });
    bound.counter({ name: 'took_total', help: 'How often.', registry });
    bound.series({ code: 'OK' }).observe(3);
    bound.series({ code: 'OK' }).observe(0.2);
    const text = await registry.metrics();
    expect(text).toContain('# TYPE took_total counter\ntook_total{code="OK"} 2');
  });

  it('keeps the newest example of each bucket', async () => {
    const registry = new Registry();
    const bound = new BoundHistogram({ ...about, labelNames: ['code'], registry });
    const series = bound.series({ code: 'OK' });
    series.observe(0.2, 'one');
    series.observe(0.3, 'two');
    series.observe(0.4);
    const { values } = await bound.get();
    const exemplars = values.flatMap((value) => ('exemplar' in value && value.exemplar ? [value.exemplar] : []));
    expect(exemplars).toMatchObject([{ labelSet: { trace_id: 'two' }, value: 0.3 }]);
  });
});
