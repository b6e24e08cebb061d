import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, readConfig } from '../../kernel/config.ts';
import type { Environment } from '../../kernel/settings.ts';
import type { Snapshot } from '../../kernel/telemetry/metrics/snapshot.ts';
import { showAgainAndAgain } from '../full-screen.ts';
import { duration } from '../option-values.ts';
import { print } from '../print.ts';
import { Sample } from './sample.ts';
import { screenOf } from './screen.ts';
import { viewOf } from './view.ts';

/** What `bicameral top` takes, as typed. */
export interface TopOptions {
  readonly interval: string;
  readonly json?: boolean;
}

/** Nobody answers at METRICS_ADDRESS, or somebody else does. */
class NoMetrics extends Error {
  constructor(address: string, cause: unknown) {
    const why = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause);
    super(
      `No metrics at http://${address}/metrics: ${why}. Set METRICS_ADDRESS to that of the service, which has no metrics with METRICS_ADDRESS=off.`,
      { cause },
    );
    this.name = 'NoMetrics';
  }
}

const PATIENCE_MS = 5_000;
const MOST_HOURS = 1;
/** How many intervals the numbers on a terminal are of. */
const INTERVALS = 5;
/**
 * `bicameral top`: what a running service does now, on a terminal until Ctrl-C or `q`; elsewhere once, as lines or as JSON.
 */
export async function top(environment: Environment, options: TopOptions): Promise<void> {
  const config = readConfig(environment);
  const intervalMs = duration('--interval', options.interval, MOST_HOURS * 3_600_000);
  const address = addressOf(config);
  const first = await sampleAt(address);
  if (options.json || !process.stdout.isTTY) {
    await sleep(intervalMs);
    const view = viewOf(first, await sampleAt(address));
    const size = { columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY, colors: false };
    await print(options.json ? `${JSON.stringify(view)}\n` : `${screenOf(view, { address, now: new Date(), ...size })}\n`);
    return;
  }
  // Several intervals, so that numbers are steady enough to be read.
  const samples = [first];
  const screen = async (): Promise<string> => {
    const now = await sampleAt(address);
    const { stdout } = process;
    const { columns, rows } = stdout;
    samples.push(now);
    if (samples.length > INTERVALS + 1) samples.shift();
    const view = viewOf(samples[0] ?? first, now);
    return screenOf(view, { address, now: new Date(), columns, rows, colors: stdout.hasColors() });
  };
  await showAgainAndAgain(screen, { intervalMs, restsFirst: true });
}

function addressOf({ metricsAddress }: Config): string {
  if (metricsAddress === undefined) throw new NoMetrics('METRICS_ADDRESS', new Error('METRICS_ADDRESS is off'));
  return metricsAddress.replace(/^(0\.0\.0\.0|\[::\])(?=:)/, 'localhost');
}

async function sampleAt(address: string): Promise<Sample> {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(`http://${address}/metrics`, { headers: { accept: 'application/json' }, signal });
    if (!response.ok) throw new Error(`the answer is ${response.status}`);
    return new Sample((await response.json()) as Snapshot, performance.now());
  } catch (error) {
    throw new NoMetrics(address, error);
  }
}
