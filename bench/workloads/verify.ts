import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import pg from 'pg';
import { QueryService } from '../../gen/audit/v1/query_service_pb.js';
import type { Bench } from '../bench.ts';
import { makeRecords, untilSealed } from '../data/make-records.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

const MILLION = 1_000_000;

export const verify: Workload = {
  name: 'verify',
  about:
    'VerifyIntegrity over gRPC of a log that the service sealed, in seconds for a million records; --records says how many there are at least',
  run: async (bench): Promise<Findings> => {
    const { rounds, records } = bench.settings;
    const values = new Values();
    const problems = new Set<string>();
    const subject = await bench.start('ours');
    await makeSealedLog(bench, records);
    for (let round = 1; round <= rounds; round += 1) {
      const began = performance.now();
      const { verified, findings } = await verifyOnce(bench, subject, (done) =>
        bench.say(`round ${round} of ${rounds}: ${done}`),
      );
      const seconds = (performance.now() - began) / 1000;
      if (findings > 0n || verified < records) problems.add(`${findings} findings, ${verified} records verified`);
      values.keep('verification', 'records', Number(verified));
      values.keep('verification', 's a million', (seconds * MILLION) / Number(verified), { atMost: 30 });
    }
    return { measures: values.measures(), ratios: [], problems: [...problems] };
  },
};

async function makeSealedLog(bench: Bench, records: number): Promise<void> {
  const client = new pg.Client(bench.databaseUrl);
  await client.connect();
  try {
    await makeRecords(client, records, (made) =>
      bench.say(`${made.toLocaleString('en')} of ${records.toLocaleString('en')} records made`),
    );
    bench.say('records are sealed');
    await untilSealed(client, () => delay(100));
  } finally {
    await client.end();
  }
}

async function verifyOnce(
  bench: Bench,
  { grpcPort }: Subject,
  say: (done: string) => void,
): Promise<{ verified: bigint; findings: bigint }> {
  // The connection closes soon after: the benchmark ends when all of them have.
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpcPort}`, idleConnectionTimeoutMs: 100 });
  const headers = { authorization: await bench.authorization() };
  for await (const { event } of createClient(QueryService, transport).verifyIntegrity({}, { headers })) {
    if (event.case === 'progress') say(`${event.value.verified} of ${event.value.total} records verified`);
    if (event.case === 'result') return event.value;
  }
  throw new Error('the verification ended without a result');
}
