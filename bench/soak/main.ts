/** `npm run soak`: see README.md. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { OptionsError } from '../options.ts';
import { describeMachine } from '../report/machine.ts';
import { createProgress } from '../report/progress.ts';
import { Endings, OF_THE_REQUEST } from './endings.ts';
import { type Generated, newScene } from './generated-attempts.ts';
import { readSoakOptions } from './options.ts';
import { settledBytes } from './settled-memory.ts';
import { type SoakedService, startSoakedService } from './soaked-service.ts';

/** Users that are played with are deleted at some time, and their sessions end: after so many requests there are new ones. */
const SCENE = 1000;
/** The service's memory after all requests is at most so much above what it was after the warm-up. */
const GROWTH = 1.2;

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true;
  });
}

try {
  const options = readSoakOptions(process.argv.slice(2));
  const { requests, warmUp, crowd, seed } = options;
  const progress = createProgress(process.stderr);
  progress.say('starting the service');
  await using service = await startSoakedService();
  const machine = await describeMachine();
  console.log(`${machine.cpu}, ${machine.cpus} CPUs, Node.js ${machine.node}, commit ${machine.commit}`);
  console.log(`npm run soak -- --requests ${requests} --warm-up ${warmUp} --crowd ${crowd} --seed ${seed}\n`);

  const endings = new Endings();
  const started = performance.now();
  let sent = 0;

  const isOver = (): boolean => interrupted || performance.now() - started > options.minutes * 60_000;

  async function sendUpTo(end: number): Promise<void> {
    while (sent < end && !isOver()) {
      const scene = await newScene(service, crowd);
      const attempts = scene.attempts({ count: Math.min(SCENE, end - sent), seed: seed + sent })[Symbol.iterator]();
      await Promise.all(Array.from({ length: crowd }, () => sendEach(attempts)));
      scene.close();
    }
  }

  /** One of the crowd. */
  async function sendEach(attempts: Iterator<Generated>): Promise<void> {
    for (let next = attempts.next(); !next.done && !isOver(); next = attempts.next()) {
      await endings.take(next.value);
      sent += 1;
      const perSecond = Math.round((sent * 1000) / (performance.now() - started));
      if (sent % 100 === 0)
        progress.say(`${sent.toLocaleString('en')} of ${requests.toLocaleString('en')}, ${perSecond} a second`);
    }
  }

  const memory = { before: Number.POSITIVE_INFINITY, after: 0 };
  if (warmUp > 0) {
    await sendUpTo(warmUp);
    progress.say('at rest after the warm-up');
    memory.before = await settledBytes(service.pid);
  }
  await sendUpTo(requests);
  if (warmUp > 0) {
    progress.say('at rest after all requests');
    memory.after = await settledBytes(service.pid);
  }
  progress.clear();

  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`${endings.table()}\n\n${sent.toLocaleString('en')} requests in ${seconds} s`);
  if (warmUp > 0) {
    const { before, after } = memory;
    console.log(
      `resident memory: ${megabytes(before)} MB after ${warmUp.toLocaleString('en')}, ${megabytes(after)} MB after all`,
    );
  }

  const problems = [
    ...endings.problems(),
    ...(await loggedFailures(service)),
    ...(memory.after > memory.before * GROWTH ? [`memory grew by more than ${Math.round((GROWTH - 1) * 100)} %`] : []),
    ...(interrupted ? ['interrupted'] : []),
  ];
  for (const problem of problems) console.log(`  FAILED: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
  else console.log(`0 unplanned, 0 hung, 0 errors in the log${warmUp > 0 ? ', memory back to where it was' : ''}`);
} catch (error) {
  console.error(error instanceof OptionsError || (error instanceof TypeError && 'code' in error) ? error.message : error);
  process.exitCode = 1;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

/** What the service logged as an error, except calls that say themselves that they were wrong. */
async function loggedFailures({ logFile }: SoakedService): Promise<string[]> {
  const failures: string[] = [];
  let count = 0;
  for await (const line of createInterface({ input: createReadStream(logFile), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (!/^\{"level":"(error|fatal)"/.test(line)) continue;
    if (OF_THE_REQUEST.has(JSON.parse(line).reason)) continue;
    count += 1;
    if (failures.length < 5) failures.push(`in the log: ${line.slice(0, 1000)}`);
  }
  return count > 0 ? [`${count} errors in the log`, ...failures] : [];
}
