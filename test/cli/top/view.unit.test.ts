import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { Sample } from '../../../src/cli/top/sample.ts';
import { screenOf } from '../../../src/cli/top/screen.ts';
import { quantile, type TopView, viewOf } from '../../../src/cli/top/view.ts';
import { CallMetrics, type EndedCall } from '../../../src/kernel/telemetry/metrics/call-metrics.ts';
import { createInstruments } from '../../../src/kernel/telemetry/metrics/instruments.ts';
import { SlowestCalls } from '../../../src/kernel/telemetry/metrics/slowest-calls.ts';
import type { Snapshot } from '../../../src/kernel/telemetry/metrics/snapshot.ts';

/** A service whose calls are told to it. */
function service() {
  const metrics = createInstruments('1.2.3');
  const slowest = new SlowestCalls();
  const calls = new CallMetrics(metrics, slowest);
  const method = CommandService.method.changeName;
  calls.expect(method);
  calls.expect(CommandService.method.deleteUser);
  const ended = (parts: Partial<EndedCall>): void =>
    calls.ended({
      method,
      door: 'grpc',
      code: 'OK',
      reason: undefined,
      seconds: 0.004,
      firstMessageSeconds: undefined,
      attempts: 1,
      isReplayed: false,
      isDryRun: false,
      isTraced: false,
      traceId: () => 'f'.repeat(32),
      ...parts,
    });
  const sample = async (at: number): Promise<Sample> => {
    const snapshot = { metrics: await metrics.registry.getMetricsAsJSON(), slowest: slowest.list() };
    // As it comes over the wire.
    return new Sample(JSON.parse(JSON.stringify(snapshot)) as Snapshot, at);
  };
  return { metrics, ended, sample };
}

async function busyView(): Promise<TopView> {
  const { metrics, ended, sample } = service();
  ended({ seconds: 9 });
  const before = await sample(1_000);
  for (let n = 0; n < 90; n += 1) ended({});
  for (let n = 0; n < 6; n += 1) ended({ code: 'NOT_FOUND', reason: 'USER_NOT_FOUND' });
  for (let n = 0; n < 4; n += 1) ended({ code: 'UNAVAILABLE', reason: 'DATABASE_UNAVAILABLE', seconds: 3 });
  metrics.inFlight.set({ kind: 'command' }, 120);
  metrics.inFlightLimit.set({ kind: 'command' }, 128);
  metrics.databaseUp.set({ database: 'primary' }, 1);
  metrics.databaseUp.set({ database: 'replica-1' }, 0);
  metrics.replicaLagBytes.set({ database: 'replica-1' }, 3 * 1024 * 1024);
  metrics.replicaLagSeconds.set({ database: 'replica-1' }, 12.34);
  metrics.unsealedRecords.set(7);
  metrics.unsealedSeconds.set(61);
  return viewOf(before, await sample(3_000));
}

describe('what top shows', () => {
  it('is what happened between two looks: rates, errors, those of the service, and quantiles', async () => {
    const view = await busyView();
    expect(view.rpcs).toHaveLength(1);
    expect(view.rpcs[0]).toMatchObject({
      method: 'users.v1.CommandService/ChangeName',
      callsPerSecond: 50,
      errorsPerSecond: 5,
      faultsPerSecond: 2,
    });
    const { p50Seconds = 0, p99Seconds = 0 } = view.rpcs[0] ?? {};
    expect(p50Seconds).toBeGreaterThan(0.0025);
    expect(p50Seconds).toBeLessThanOrEqual(0.005);
    // Between 2.5 and 5 s; the call of 9 s was before.
    expect(p99Seconds).toBeGreaterThan(2.5);
    expect(p99Seconds).toBeLessThanOrEqual(5);
    expect(view.slowest[0]).toMatchObject({ seconds: 9, traceId: 'f'.repeat(32) });
  });

  it('is nothing below 0 when the service was started anew', async () => {
    const old = service();
    for (let n = 0; n < 50; n += 1) old.ended({});
    const young = service();
    young.ended({});
    const view = viewOf(await old.sample(0), await young.sample(1_000));
    expect(view.rpcs[0]).toMatchObject({ callsPerSecond: 0, errorsPerSecond: 0, p50Seconds: undefined });
  });

  it('fits the terminal, line by line, and says in words what color says', async () => {
    const view = await busyView();
    const size = { address: '127.0.0.1:9464', now: new Date(), columns: 80, rows: 24 };
    const plain = screenOf(view, { ...size, colors: false });
    expect(plain).toMatch(/commands 120\/128/);
    expect(plain).toMatch(/replica-1 AWAY +queries 0\/s +behind 3 MiB, 12.3 s/);
    expect(plain).toMatch(/unsealed 7, oldest 61 s/);
    expect(plain).toMatch(/ChangeName +50.0 +5.0 +\d[\d.]* ms +\d[\d.]* s/);
    for (const line of plain.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(plain.split('\n').length).toBeLessThanOrEqual(24);
    const colored = screenOf(view, { ...size, colors: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colors begin with one
    expect(colored.replaceAll(/\x1b\[\d+m/g, '')).toBe(plain);
    expect(colored).not.toBe(plain);
    expect(screenOf(view, { ...size, rows: 3, colors: false })).toContain('ChangeName');
  });
});

describe('a quantile', () => {
  it('is linear inside a bucket, as Prometheus has it', () => {
    const buckets = [
      { edge: 1, count: 10 },
      { edge: 2, count: 30 },
      { edge: Number.POSITIVE_INFINITY, count: 40 },
    ];
    expect(quantile(0.25, buckets)).toBe(1);
    expect(quantile(0.5, buckets)).toBe(1.5);
    expect(quantile(0.99, buckets)).toBe(2);
    expect(quantile(0.5, [])).toBeUndefined();
  });
});
