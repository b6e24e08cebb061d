import { describe, expect, it } from '@jest/globals';
import { createInstruments } from '../../../../src/kernel/telemetry/metrics/instruments.ts';
import { counts, merged, metricsPage, type Snapshot } from '../../../../src/kernel/telemetry/metrics/snapshot.ts';

const labels = { method: 'users.v1.QueryService/GetUser', code: 'OK' };

async function counted(times: number, lag: number): Promise<Snapshot> {
  const metrics = createInstruments('1.2.3');
  for (let n = 0; n < times; n += 1) {
    metrics.querySeconds.series(labels).observe(0.004, `trace ${times}`);
  }
  metrics.replicaLagSeconds.set({ database: 'replica-1' }, lag);
  metrics.inFlight.set({ kind: 'query' }, times);
  metrics.databaseUp.set({ database: 'primary' }, lag > 1 ? 0 : 1);
  return { metrics: (await metrics.registry.getMetricsAsJSON()) as unknown as Snapshot['metrics'], slowest: [] };
}

async function lines(snapshot: Snapshot, accept = 'text/plain'): Promise<readonly string[]> {
  return (await metricsPage(snapshot, accept)).body.split('\n');
}

const LABELS = '{method="users.v1.QueryService/GetUser",code="OK"}';

describe('the page', () => {
  it('has the names of the decision in both formats, and exemplars in OpenMetrics', async () => {
    const snapshot = await counted(2, 0);
    const text = await lines(snapshot);
    expect(text).toContain(`cqrs_query_total${LABELS} 2`);
    expect(text).toContain('# TYPE cqrs_query_total counter');
    expect(text).toContain(`cqrs_query_duration_seconds_count${LABELS} 2`);
    expect(text.join()).not.toContain('trace 2');

    const open = await lines(snapshot, 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
    expect(open).toContain('# TYPE cqrs_query counter');
    expect(open).toContain(`cqrs_query_total${LABELS} 2`);
    expect(open).toContainEqual(
      expect.stringMatching(/^cqrs_query_duration_seconds_bucket\{le="0.005",.*\} 2 # \{trace_id="trace 2"\} 0.004 \d/),
    );
    expect(open.at(-2)).toBe('# EOF');
    // Made of the same numbers again.
    expect(await lines(snapshot)).toEqual(text);
  });

  it('of several processes has their sum, the largest lag, and a database up that all reach', async () => {
    const text = await lines(merged([await counted(2, 0), await counted(3, 7)]));
    expect(text).toContain(`cqrs_query_total${LABELS} 5`);
    expect(text).toContain(`cqrs_query_duration_seconds_bucket{le="0.005",method="users.v1.QueryService/GetUser",code="OK"} 5`);
    expect(text).toContain('cqrs_in_flight{kind="query"} 5');
    expect(text).toContain('cqrs_replica_lag_seconds{database="replica-1"} 7');
    expect(text).toContain('cqrs_database_up{database="primary"} 0');
    expect(text).toContain('bicameral_processes 2');
    expect(text).toContainEqual(expect.stringContaining('bicameral_build_info{version="1.2.3"'));
    const open = await lines(merged([await counted(2, 0), await counted(3, 7)]), 'application/openmetrics-text');
    expect(open.join('\n')).toMatch(/# \{trace_id="trace [23]"\}/);
  });

  it('goes on counting when a process is replaced, and forgets what was under way in it', async () => {
    const gone = counts(await counted(4, 9));
    const text = await lines(merged([gone, await counted(1, 0)]));
    expect(text).toContain(`cqrs_query_total${LABELS} 5`);
    expect(text).toContain(`cqrs_query_duration_seconds_count${LABELS} 5`);
    expect(text).toContain('cqrs_in_flight{kind="query"} 1');
    expect(text).toContain('cqrs_replica_lag_seconds{database="replica-1"} 0');
  });
});
