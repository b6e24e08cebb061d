import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { makeRecords, SEAL_LOCK, untilSealed } from '../data/make-records.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

export const seals: Workload = {
  name: 'seals',
  about: 'the sealing of records of commands that are all there at once; --records says how many',
  run: async (bench): Promise<Findings> => {
    const { rounds, records } = bench.settings;
    const values = new Values();
    const client = new pg.Client(bench.databaseUrl);
    await client.connect();
    try {
      await bench.start('ours');
      for (let round = 1; round <= rounds; round += 1) {
        const step = `round ${round} of ${rounds}`;
        await untilSealed(client, () => delay(100));
        await client.query(SEAL_LOCK);
        await makeRecords(client, records, (made) =>
          bench.say(`${step}: ${made.toLocaleString('en')} of ${records.toLocaleString('en')} records made`),
        );
        bench.say(`${step}: ${records.toLocaleString('en')} records are sealed`);
        const began = performance.now();
        await client.query('select pg_advisory_unlock_all()');
        await untilSealed(client, () => delay(20));
        values.keep('sealer', 'records/s', (records / (performance.now() - began)) * 1000, { atLeast: 20_000 });
      }
    } finally {
      await client.end();
    }
    return { measures: values.measures(), ratios: [], problems: [] };
  },
};
