import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, startProgram } from '../subjects/program.ts';
import { answersReady, ROOT, START, START_ENVIRONMENT } from '../subjects/start-subject.ts';
import { Values } from '../values.ts';
import type { Workload } from '../workload.ts';

/** One cold start takes seconds and says most of what there is to say. */
const MOST_ROUNDS = 3;

export const startUp: Workload = {
  name: 'start-up',
  about: 'npm start until /readyz answers 200: the first time (it makes primary and replica), and again',
  run: async (bench) => {
    const rounds = Math.min(MOST_ROUNDS, bench.settings.rounds);
    const values = new Values();
    for (let round = 1; round <= rounds; round += 1) {
      const dataDir = join(bench.folder, `start-up-${round}`);
      bench.say(`round ${round} of ${rounds}: cold`);
      values.keep('ours cold', 'seconds', await timeToReady(dataDir), { atMost: 5 });
      bench.say(`round ${round} of ${rounds}: warm`);
      values.keep('ours warm', 'seconds', await timeToReady(dataDir), { atMost: 1.5 });
      await rm(dataDir, { recursive: true, force: true });
    }
    return { measures: values.measures(), ratios: [], problems: [] };
  },
};

/** Starts the service with a database of its own, and stops it once it serves. In seconds. */
async function timeToReady(dataDir: string): Promise<number> {
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  const started = performance.now();
  const { stop } = await startProgram({
    arguments: START,
    cwd: ROOT,
    environment: {
      ...START_ENVIRONMENT,
      DATA_DIR: dataDir,
      GRPC_ADDRESS: `127.0.0.1:${grpcPort}`,
      HTTP_ADDRESS: `127.0.0.1:${httpPort}`,
      METRICS_ADDRESS: '127.0.0.1:0',
    },
    logFile: `${dataDir}.log`,
    isReady: () => answersReady(httpPort),
  });
  const elapsed = performance.now() - started;
  await stop();
  return elapsed / 1000;
}
