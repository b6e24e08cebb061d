import { type Figure, WIDEST_SPREAD } from './statistics.ts';
import type { Findings, Goal } from './workload.ts';

export type Verdict = 'met' | 'missed' | 'cannot tell';

/** Whether the goal is met. It cannot be told when rounds spread too wide and do not all fall on the same side of the goal. */
export function verdictOf({ median, min, max, spread }: Figure, goal: Goal): Verdict {
  const meets = (value: number): boolean => ('atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost);
  if (spread > WIDEST_SPREAD && meets(min) !== meets(max)) return 'cannot tell';
  return meets(median) ? 'met' : 'missed';
}

/**
 * Why the run fails: calls that failed or answers that differ. A goal that is missed is printed and fails nothing, but in a smoke run,
 * where a ratio below half of its goal does: machines are noisy.
 */
export function failuresOf({ problems, ratios }: Findings, smoke: boolean): string[] {
  const far = ratios.filter(({ figure, goal }) => goal && 'atLeast' in goal && !(figure.median >= goal.atLeast / 2));
  return [
    ...problems,
    ...(smoke ? far.map((ratio) => `${ratio.name} is ${ratio.figure.median.toFixed(2)}, below half of its goal`) : []),
  ];
}
