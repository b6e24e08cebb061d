import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../kernel/config.ts';
import type { Environment } from '../../kernel/settings.ts';
import { showAgainAndAgain } from '../full-screen.ts';
import { duration } from '../option-values.ts';
import { print } from '../print.ts';
import { readTrust, type TrustFiles } from '../trust.ts';
import { asks, problemsOf, type ServiceStatus } from './service-status.ts';
import { statusJson, statusTable } from './status-table.ts';

/** What `bicameral status` takes, as typed. */
export interface StatusOptions extends TrustFiles {
  readonly watch?: boolean;
  readonly interval: string;
  readonly json?: boolean;
}

const MOST_HOURS = 1;

/** `bicameral status`: exits with 1 when something is wrong. */
export async function printStatus(environment: Environment, options: StatusOptions): Promise<void> {
  const config = readConfig(environment);
  const intervalMs = duration('--interval', options.interval, MOST_HOURS * 3_600_000);
  const { ask, close } = await asks({ config, environment, options, trust: await readTrust(config, options) });
  const asked = async (): Promise<ServiceStatus> => {
    const status = await ask();
    process.exitCode = problemsOf(status).length > 0 ? 1 : 0;
    return status;
  };
  try {
    if (!options.watch) await print(formOf(await asked(), options));
    else if (options.json || !process.stdout.isTTY) await printAgainAndAgain(asked, { intervalMs, json: options.json });
    else {
      const screen = async (): Promise<string> => {
        const status = await asked();
        return statusTable(status, { now: new Date(), colors: process.stdout.hasColors() });
      };
      await showAgainAndAgain(screen, { intervalMs });
    }
  } finally {
    close();
  }
}

const formOf = (status: ServiceStatus, { json }: { json?: boolean | undefined }): string =>
  json ? statusJson(status) : statusTable(status);

/** A line each time, for who reads it later. A service that is away is a line too. */
async function printAgainAndAgain(
  asked: () => Promise<ServiceStatus>,
  { intervalMs, json }: { intervalMs: number; json: boolean | undefined },
): Promise<void> {
  for (;;) {
    const line = await asked().then(
      (status) => (json ? statusJson(status) : `${new Date().toISOString()} ${inOneLine(status)}\n`),
      (error: unknown) => {
        process.exitCode = 1;
        const problem = error instanceof Error ? error.message : String(error);
        return json ? `${JSON.stringify({ error: problem })}\n` : `${new Date().toISOString()} ${problem}\n`;
      },
    );
    if (!(await print(line))) return;
    await sleep(intervalMs);
  }
}

function inOneLine(status: ServiceStatus): string {
  const problems = problemsOf(status).map(({ subject, description }) => `${subject} ${description}`);
  return problems.length === 0 ? 'nothing is wrong' : problems.join('; ');
}
