import type { Bench } from './bench.ts';
import type { Figure } from './statistics.ts';

/** Something that is measured by itself, one in each file of workloads/. */
export interface Workload {
  /** As on the command line. */
  readonly name: string;
  /** What is measured, in one line. */
  readonly about: string;
  readonly run: (bench: Bench) => Promise<Findings>;
}

/** What a workload found. */
export interface Findings {
  readonly measures: readonly Measure[];
  readonly ratios: readonly Ratio[];
  /** What makes the run worthless: failed calls, answers that differ. Empty when all is well. */
  readonly problems: readonly string[];
}

/** One number of one subject. */
export interface Measure {
  readonly subject: string;
  /** E.g. `calls/s`, `p99 ms`. */
  readonly measure: string;
  readonly figure: Figure;
  readonly goal?: Goal;
}

/** Two numbers of the same round, divided, round by round. */
export interface Ratio {
  readonly name: string;
  readonly figure: Figure;
  readonly goal?: Goal;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number };
