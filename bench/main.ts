/** `npm run bench`: see README.md. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataUnfit, startDatabase } from './data/database.ts';
import { checkDriver } from './load/check-driver.ts';
import { H2loadError } from './load/h2load.ts';
import { WrkError } from './load/wrk.ts';
import { OptionsError, readOptions } from './options.ts';
import { profileReport } from './profile/profile-report.ts';
import { besideTable } from './report/beside.ts';
import { describeMachine } from './report/machine.ts';
import { createProgress } from './report/progress.ts';
import { findingsTable } from './report/table.ts';
import { createBench } from './running-bench.ts';
import { failuresOf } from './verdict.ts';
import type { Findings } from './workload.ts';
import { WORKLOADS } from './workloads.ts';

const started = performance.now();
const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`.replace(/ -- $/, '');
await using resources = new AsyncDisposableStack();
let interrupted = false;
// Ends everything in order, then itself, as it would have been ended.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    interrupted = true;
    await resources.disposeAsync();
    process.kill(process.pid, signal);
  });
}

try {
  const options = readOptions(process.argv.slice(2), WORKLOADS);
  const progress = createProgress(process.stderr);
  const machine = await describeMachine();
  progress.say('trying the driver');
  await checkDriver();

  const folder = await mkdtemp(join(tmpdir(), 'bicameral-bench-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  // PostgreSQL passes through as a user of its own when this program is root.
  await chmod(folder, 0o711);
  const { users, dataDir = join(folder, 'data') } = options;
  const database = await startDatabase({ dataDir, users, onProgress: progress.say });
  resources.defer(database.stop);

  const profiles = options.profile ? await mkdtemp(join(tmpdir(), 'bicameral-profile-')) : undefined;
  const nodeFlags = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`, '--cpu-prof-interval=200'] : [];
  const bench = createBench({ options, database, folder, nodeFlags, say: progress.say });
  resources.defer(async () => {
    await bench.endWorkload();
  });

  const { settings, subjects, besideFile } = options;
  console.log(
    `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryGiB} GiB, ${machine.system}, Node.js ${machine.node}, commit ${machine.commit}`,
  );
  console.log(
    `${users.toLocaleString('en')} users, ${settings.rounds} rounds of ${settings.seconds} s; median ± distance of the quartiles\n`,
  );
  const results: (Findings & { readonly name: string; readonly about: string; readonly failures: readonly string[] })[] = [];
  for (const workload of options.workloads) {
    const found = await workload.run({ ...bench, say: (step) => progress.say(`${workload.name}: ${step}`) });
    const windows = [...bench.windows];
    progress.say(`${workload.name}: stopping`);
    const findings = { ...found, problems: [...new Set([...found.problems, ...(await bench.endWorkload())])] };
    progress.clear();
    console.log(findingsTable(workload, findings));
    if (besideFile) console.log(await besideTable(besideFile, workload.name, findings));
    if (profiles) console.log(await profileReport(profiles, windows));
    const failures = failuresOf(findings, options.smoke);
    for (const failure of failures) console.log(`  FAILED: ${failure}\n`);
    results.push({ name: workload.name, about: workload.about, ...findings, failures });
  }

  if (options.jsonFile) {
    const seconds = Math.round((performance.now() - started) / 1000);
    const report = { at: new Date(), command, seconds, machine, users, settings, subjects: [...subjects], results };
    await writeFile(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  }
  const failed = results.filter(({ failures }) => failures.length > 0).map(({ name }) => name);
  if (failed.length > 0) {
    console.log(`FAILED, see above: ${failed.join(', ')}`);
    process.exitCode = 1;
  }
} catch (error) {
  // What fails once everything is being ended is of no interest.
  if (!interrupted) console.error(isForPeople(error) ? error.message : error);
  process.exitCode = 1;
}

function isForPeople(error: unknown): error is Error {
  return (
    error instanceof OptionsError ||
    error instanceof DataUnfit ||
    error instanceof H2loadError ||
    error instanceof WrkError ||
    (error instanceof TypeError && 'code' in error)
  );
}
