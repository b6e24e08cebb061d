import { readConfig } from '../../kernel/config.ts';
import { openDatabase } from '../../kernel/database/open-database.ts';
import type { Environment } from '../../kernel/settings.ts';
import { escapedText } from '../../kernel/telemetry/escaped-text.ts';
import { createLogger } from '../../kernel/telemetry/logger.ts';
import { firstSignal } from '../first-signal.ts';
import { createConsoleProgress } from '../progress.ts';
import { generate, typeProblems } from './compilers.ts';
import { ServiceProcess } from './service-process.ts';
import { WatchedFiles } from './watched-files.ts';

/** What the service is made of, in the working directory. */
const FOLDERS = ['src', 'gen', 'proto', 'vendor-proto'];
const isContract = (path: string): boolean => path.endsWith('.proto');

/**
 * `bicameral dev`: runs the service, and starts it again when one of its files changes. This process has the embedded database, which stays
 * up meanwhile. When a contract changes, `npm run generate` goes before the start. What does not compile is told as the compilers
 * tell it, not by a stack. A service that cannot start is tried again with the next change.
 */
export async function dev(environment: Environment, options: { inspect?: string | true }): Promise<void> {
  const config = readConfig(environment);
  const logger = await createLogger({ level: config.logLevels.level, pretty: process.stdout.isTTY, pid: undefined });
  const stopped = firstSignal();
  // Before the first start: what is saved while that goes on counts.
  const files = new WatchedFiles(FOLDERS);
  const isEmbedded = config.database.kind === 'embedded';
  const database = isEmbedded ? await openDatabase(config.database, { onProgress: createConsoleProgress(), logger }) : undefined;
  const service = new ServiceProcess({ connections: database?.connections, ...options });
  try {
    for (let changed: readonly string[] | undefined = []; changed; ) {
      const round = new AbortController();
      const running = runRound({ changed, files, service, signal: round.signal });
      changed = await Promise.race([stopped.then(() => undefined), files.changes()]);
      round.abort();
      await running;
    }
  } finally {
    files.close();
    await service.stop();
    await database?.close();
  }
}

interface Round {
  /** Since the last round; none at the first. */
  readonly changed: readonly string[];
  readonly files: WatchedFiles;
  readonly service: ServiceProcess;
  /** The next round is to begin. */
  readonly signal: AbortSignal;
}

/** From a change to a service that runs with it, and to what the type check says of it. Never rejects. */
async function runRound({ changed, files, service, signal }: Round): Promise<void> {
  const since = performance.now();
  if (changed.some(isContract)) {
    const problem = await files.unwatched(() => generate(signal), isContract);
    if (signal.aborted) return;
    if (problem !== undefined) return tell(`${problem}\n… the contract is not used; what ran before goes on`);
  }
  await service.stop();
  if (signal.aborted) return;
  const started = await service.start(signal);
  if (signal.aborted) return;
  if (started.serves) {
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    tell(changed.length === 0 ? started.welcome : `… serving again, ${seconds} s after ${changed.join(', ')} changed`);
  }
  const problems = await typeProblems(signal);
  if (signal.aborted) return;
  // A program that does not compile says why by a stack of Node.js's own files; the type check says where.
  if (problems !== undefined) tell(problems);
  else if (!started.serves) tell(started.why);
  if (!started.serves) tell('… not serving; the next change starts it again');
}

const tell = (text: string): void => void process.stderr.write(escapedText(`${text.trimEnd()}\n`));
