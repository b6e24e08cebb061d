import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { checkFailures, checkResult } from '../checks.ts';
import { residentBytes } from '../load/cpu-time.ts';
import { figure } from '../statistics.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';
import { loadOfChangeName } from './change-name.ts';
import { loadOfGetUser } from './get-user.ts';
import { Watchers } from './watchers.ts';

/** V8 gives back what the start has taken when nothing has happened for a while. */
const REST_MS = 45_000;
const MANY = 1_000;
/** Memory grows for longer than a round takes. */
const LONGER = 5;

export const memory: Workload = {
  name: 'memory',
  about: `resident memory at rest, once a second under GetUser and ChangeName as fast as they are answered, and under ChangeName with ${MANY.toLocaleString('en')} watchers who share all users among them`,
  run: async (bench): Promise<Findings> => {
    const problems = new Set<string>();
    const values = new Values();
    const ours = await bench.start('ours');
    bench.say('at rest');
    await delay(REST_MS);
    values.keep('at rest', 'MB', await megabytes(ours), { atMost: 150 });

    const { memorySeconds } = bench.settings;
    const seconds = { seconds: memorySeconds };
    const loads = Promise.all([
      bench.load({ ...(await loadOfGetUser(bench, ours)), ...seconds }),
      bench.load({ ...(await loadOfChangeName(bench, ours)), ...seconds }),
    ]);
    const samples: number[] = [];
    for (let second = 1; second < memorySeconds; second += 1) {
      await delay(1000);
      bench.say(`second ${second} of ${memorySeconds}`);
      samples.push(await megabytes(ours));
    }
    for (const sample of samples) values.keep('under load', 'MB', sample);
    for (const result of await loads) checkResult('ours', result, problems);
    await checkFailures(ours, problems);

    values.keep(`with ${MANY.toLocaleString('en')} watchers`, 'MB', await withWatchers(bench, problems), { atMost: 350 });

    const quarter = Math.floor(samples.length / 4);
    const [early, late] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)].map((part) => figure(part).median);
    values.keep('highest', 'MB', Math.max(...samples), { atMost: 250 });
    // The first quarter is left out: caches fill and the heap finds its size.
    const growth = { name: 'last / second quarter', figure: figure([(late ?? 0) / (early ?? 0)]), goal: { atMost: 1.1 } };
    return { measures: values.measures(), ratios: [growth], problems: [...problems] };
  },
};

/** The highest, once a second, of a service that does nothing else: the memory that it had before would hide what watchers take. */
async function withWatchers(bench: Bench, problems: Set<string>): Promise<number> {
  bench.say(`${MANY} watchers`);
  const watched = await bench.start('ours');
  const watchers = await Watchers.open(bench, watched, MANY);
  const { seconds } = bench.settings;
  const load = bench.load({ ...(await loadOfChangeName(bench, watched)), seconds: seconds * LONGER });
  let highest = 0;
  for (let second = 0; second < seconds * LONGER; second += 1) {
    await delay(1000);
    highest = Math.max(highest, await megabytes(watched));
  }
  checkResult('ours', await load, problems);
  watchers.close();
  await checkFailures(watched, problems);
  return highest;
}

async function megabytes({ pid }: Subject): Promise<number> {
  return ((await residentBytes(pid)) ?? Number.NaN) / 1024 / 1024;
}
