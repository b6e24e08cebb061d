import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '../interop/tool.ts';
import { eventually } from '../support/eventually.ts';
import { processesIn, signalAll } from '../support/processes.ts';
import { type Service, startService } from '../support/service.ts';
import { startTraceReceiver, type TraceReceiver } from '../support/trace-receiver.ts';
import { startLoad } from './load.ts';
import { readPanelQueries } from './monitoring.ts';
import { type Prometheus, prometheusTool, startPrometheus } from './prometheus.ts';

describeWith('a Prometheus that scrapes the service under load', prometheusTool, () => {
  const resources = new AsyncDisposableStack();
  let collector: TraceReceiver;
  let service: Service;
  let prometheus: Prometheus;

  const replica = (): number[] => processesIn(join(service.dataDir, 'postgres/replica'));

  beforeAll(async () => {
    collector = resources.use(await startTraceReceiver());
    service = resources.use(await startService({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } }));
    prometheus = resources.use(await startPrometheus(service.metricsAddress));
    resources.use(await startLoad(service));
  });
  afterAll(async () => {
    signalAll(replica(), 'SIGCONT');
    await resources.disposeAsync();
  });

  /** Those of a result that are numbers. */
  async function numbers(expr: string): Promise<number[]> {
    return (await prometheus.query(expr)).map(({ value }) => value).filter((value) => !Number.isNaN(value));
  }

  it.each([
    'rate(cqrs_command_total[5m])',
    'rate(cqrs_query_total[5m])',
    'histogram_quantile(0.99, cqrs_command_duration_seconds)',
    'histogram_quantile(0.99, cqrs_query_duration_seconds)',
  ])('evaluates %s, as the decision writes it', async (expr) => {
    await eventually(async () => expect(Math.max(...(await numbers(expr)))).toBeGreaterThan(0));
  });

  it.each(['command', 'query'])('leads from the durations of a %s to a trace that the collector has', async (kind) => {
    await eventually(async () => {
      const ids = (await prometheus.exemplars(`cqrs_${kind}_duration_seconds_bucket`)).map(({ labels }) => labels.trace_id);
      const traces = new Set(collector.spans().map(({ traceId }) => traceId));
      expect(ids.some((id) => id !== undefined && traces.has(id))).toBe(true);
    });
  });

  describe('while the replica stands still', () => {
    beforeAll(async () => {
      await eventually(async () => expect(await numbers('cqrs_database_up{database="replica-1"}')).toEqual([1]));
      signalAll(replica(), 'SIGSTOP');
    });

    it('shows it in the numbers, and raises the alert', async () => {
      await eventually(async () => {
        expect(await numbers('cqrs_database_up{database="replica-1"}')).toEqual([0]);
        expect(await prometheus.alerts()).toContain('ReplicaAway');
        expect(await numbers('rate(cqrs_query_served_total{database="primary"}[10s]) > 0')).toHaveLength(1);
        expect(await numbers('cqrs_replica_lag_bytes > 0 and cqrs_replica_lag_seconds > 0')).toHaveLength(1);
      });
      expect(await prometheus.alerts()).not.toContain('PrimaryAway');
    });

    it('has a result for every expression of the dashboards', async () => {
      const queries = readPanelQueries();
      expect(queries.length).toBeGreaterThan(60);
      await eventually(async () => {
        const empty = await Promise.all(queries.map(async (query) => ((await numbers(query.expr)).length > 0 ? [] : [query])));
        expect(empty.flat()).toEqual([]);
      });
    });
  });

  it('ends the alert when the replica is back', async () => {
    signalAll(replica(), 'SIGCONT');
    await eventually(async () => {
      expect(await numbers('cqrs_database_up{database="replica-1"}')).toEqual([1]);
      expect(await prometheus.alerts()).not.toContain('ReplicaAway');
    });
  });
});
