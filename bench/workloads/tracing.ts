import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { compare } from '../compare.ts';
import { freePort, startProgram } from '../subjects/program.ts';
import { ROOT } from '../subjects/start-subject.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Findings, Workload } from '../workload.ts';
import { loadOfGetUser } from './get-user.ts';

export const tracing: Workload = {
  name: 'tracing',
  about: 'GetUser over gRPC, 64 in flight: without traces, as shipped; with 1 % and with all of them, sent to a collector',
  run: async (bench) => {
    const port = await freePort();
    const collector = await startProgram({
      arguments: ['bench/subjects/by-hand/collector.ts'],
      cwd: ROOT,
      environment: { PORT: String(port) },
      logFile: join(bench.folder, 'collector.log'),
      isReady: async () =>
        await fetch(`http://127.0.0.1:${port}`).then(
          () => true,
          () => false,
        ),
    });
    try {
      return await compared(bench, `http://127.0.0.1:${port}`);
    } finally {
      await collector.stop();
    }
  },
};

function compared(bench: Bench, endpoint: string): Promise<Findings> {
  const traced = (ratio: string): Record<string, string> => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: ratio,
  });
  const ours = { subject: 'ours', load: (subject: Subject) => loadOfGetUser(bench, subject) } as const;
  return compare(bench, {
    contenders: [
      { name: 'off', ...ours },
      { name: '1 %', ...ours, environment: traced('0.01') },
      { name: '100 %', ...ours, environment: traced('1') },
    ],
    goals: [
      { of: '1 %', to: 'off', goal: { atLeast: 0.92 } },
      { of: '100 %', to: 'off' },
    ],
  });
}
