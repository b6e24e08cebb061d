import { describe, expect, it } from '@jest/globals';
import { createInstruments } from '../../../../src/kernel/telemetry/metrics/instruments.ts';
import { metricData } from '../../../../src/kernel/telemetry/metrics/push.ts';
import type { MetricSnapshot } from '../../../../src/kernel/telemetry/metrics/snapshot.ts';

const times = { startTime: [1, 0], endTime: [2, 0] } as const;

async function data(name: string, fill: (metrics: ReturnType<typeof createInstruments>) => void) {
  const metrics = createInstruments();
  fill(metrics);
  const snapshots = (await metrics.registry.getMetricsAsJSON()) as unknown as MetricSnapshot[];
  const [snapshot] = snapshots.filter((one) => one.name === name);
  if (!snapshot) throw new Error(`no ${name}`);
  return metricData(snapshot, { startTime: [...times.startTime], endTime: [...times.endTime] });
}

describe('metrics by OTLP', () => {
  it('have the same names and labels, a count as a sum that only grows', async () => {
    const sent = await data('cqrs_command_total', ({ commandSeconds }) => {
      for (const seconds of [1, 2, 3]) commandSeconds.series({ method: 'm', code: 'OK' }).observe(seconds);
    });
    expect(sent).toMatchObject({
      descriptor: { name: 'cqrs_command_total', unit: '1' },
      isMonotonic: true,
      dataPoints: [{ attributes: { method: 'm', code: 'OK' }, value: 3, startTime: [1, 0], endTime: [2, 0] }],
    });
  });

  it('have histograms whose buckets hold what lies between their edges', async () => {
    const sent = await data('rpc_server_call_duration_seconds', ({ rpcSeconds }) => {
      const labels = { rpc_system_name: 'grpc', rpc_method: 'm', rpc_status_code: 'OK', error_type: '' };
      for (const value of [0.001, 0.006, 0.006, 99]) rpcSeconds.series(labels).observe(value);
    });
    expect(sent.descriptor).toMatchObject({ name: 'rpc.server.call.duration', unit: 's' });
    expect(sent.dataPoints).toHaveLength(1);
    expect(sent.dataPoints[0]).toMatchObject({
      attributes: { 'rpc.system.name': 'grpc', 'rpc.method': 'm', 'rpc.status_code': 'OK' },
      value: { count: 4, sum: 99.013 },
    });
    expect(sent.dataPoints[0]?.attributes).not.toHaveProperty(['error.type']);
    const counts = [1, 2, ...Array(12).fill(0), 1];
    expect(sent.dataPoints[0]?.value).toMatchObject({ buckets: { counts, boundaries: { length: 14 } } });
  });

  it('have gauges', async () => {
    const sent = await data('cqrs_in_flight', ({ inFlight }) => inFlight.set({ kind: 'query' }, 7));
    expect(sent.dataPoints).toMatchObject([{ attributes: { kind: 'query' }, value: 7 }]);
    expect(sent).not.toHaveProperty('isMonotonic');
  });
});
