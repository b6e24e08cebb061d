import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Bench, LoadOptions } from './bench.ts';
import { checkFailures } from './checks.ts';
import type { BenchDatabase } from './data/database.ts';
import { runLoad } from './load/run-load.ts';
import type { Options } from './options.ts';
import { ROOT, startSubject } from './subjects/start-subject.ts';
import type { Subject } from './subjects/subject.ts';

/** A token lives for 15 minutes: this old, it outlives any load. */
const TOKEN_AGE_MS = 5 * 60_000;

/** When a server was under load, in microseconds of the monotonic clock. */
export interface LoadWindow {
  readonly from: number;
  readonly to: number;
}

/** A bench, and what a workload leaves behind. */
export interface RunningBench extends Bench {
  /** Loads at full speed since the last `endWorkload`, warm-ups left out, and what was to be profiled besides. */
  readonly windows: readonly LoadWindow[];
  /** Stops the subjects and answers the calls that failed and were logged only then. */
  readonly endWorkload: () => Promise<string[]>;
}

export interface RunningBenchParts {
  readonly options: Options;
  readonly database: BenchDatabase;
  readonly folder: string;
  /** Flags of node for the service itself. */
  readonly nodeFlags: readonly string[];
  readonly say: (step: string) => void;
}

export function createBench({ options, database, folder, nodeFlags, say }: RunningBenchParts): RunningBench {
  const { settings } = options;
  const subjects: Subject[] = [];
  const windows: LoadWindow[] = [];
  let token: { readonly text: string; readonly madeAt: number } | undefined;

  return {
    settings,
    subjects: options.subjects,
    users: options.users,
    databaseUrl: database.url,
    signingKeyFile: database.signingKeyFile,
    replicaUrl: database.replicaUrl,
    folder,
    say,
    windows,

    async start(name, environment = {}) {
      const surroundings = { ...database, databaseUrl: database.url, folder };
      const subject = await startSubject(name, surroundings, { nodeFlags: name === 'ours' ? nodeFlags : [], environment });
      subjects.push(subject);
      return subject;
    },

    async load({ seconds, warmUpSeconds = settings.warmUpSeconds, ...load }: LoadOptions) {
      const warmUpMs = warmUpSeconds * 1000;
      const durationMs = (seconds ?? settings.seconds) * 1000;
      const from = monotonic() + warmUpMs * 1000;
      const result = await runLoad({ ...load, warmUpMs, durationMs });
      if (seconds === undefined && load.rate === undefined) windows.push({ from, to: from + durationMs * 1000 });
      return result;
    },

    async profiled(run) {
      const from = monotonic();
      const result = await run();
      windows.push({ from, to: monotonic() });
      return result;
    },

    async authorization() {
      if (!token || Date.now() - token.madeAt > TOKEN_AGE_MS) {
        token = { text: await makeToken(database.signingKeyFile), madeAt: Date.now() };
      }
      return `Bearer ${token.text}`;
    },

    async endWorkload() {
      windows.length = 0;
      const problems = new Set<string>();
      for (const subject of subjects.splice(0)) {
        await subject.stop();
        await checkFailures(subject, problems);
      }
      return [...problems];
    },
  };
}

function monotonic(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

async function makeToken(signingKeyFile: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['src/main.ts', 'token', '--role', 'admin'], {
    cwd: ROOT,
    env: { AUTH_SIGNING_KEY_FILE: signingKeyFile },
  });
  return stdout.trim();
}
