import { WIDEST_SPREAD } from '../statistics.ts';
import { verdictOf } from '../verdict.ts';
import type { Findings, Goal, Measure, Ratio, Workload } from '../workload.ts';

/** What one workload found, for people: a line for each subject, a line for each ratio, and the goals. */
export function findingsTable({ name, about }: Workload, { measures, ratios }: Findings): string {
  return [
    `${name}  ${about}`,
    ...indent(measuresTable(measures)),
    ...(ratios.length > 0 ? ['', ...indent(align(ratios.map(ratioLine), ['left', 'right', 'right', 'left', 'left']))] : []),
    ...indent(measures.flatMap(goalLine)),
    '',
  ].join('\n');
}

/** Subjects down, what was measured across; median and spread of the rounds. */
function measuresTable(measures: readonly Measure[]): string[] {
  const columns = [...new Set(measures.map(({ measure }) => measure))];
  const subjects = [...new Set(measures.map(({ subject }) => subject))];
  const lines = subjects.map((subject) => [
    subject,
    ...columns.flatMap((column) => {
      const found = measures.find((one) => one.subject === subject && one.measure === column);
      return found ? [number(found.figure.median), spread(found.figure.spread)] : ['', ''];
    }),
  ]);
  const header = ['', ...columns.flatMap((column) => [column, ''])];
  return align([header, ...lines], ['left', ...columns.flatMap((): Side[] => ['right', 'left'])]);
}

function ratioLine({ name, figure, goal }: Ratio): string[] {
  const range = `(${number(figure.min)} to ${number(figure.max)})`;
  const wide = figure.spread > WIDEST_SPREAD ? 'the rounds differ too much to tell' : '';
  return [name, number(figure.median), range, goal ? `${goalText(goal)}: ${verdictOf(figure, goal)}` : '', wide];
}

function goalLine({ subject, measure, figure, goal }: Measure): string[] {
  return goal ? [`${subject} ${measure} ${goalText(goal)}: ${verdictOf(figure, goal)}`] : [];
}

function goalText(goal: Goal): string {
  return 'atLeast' in goal ? `goal at least ${number(goal.atLeast)}` : `goal at most ${number(goal.atMost)}`;
}

/** A number with the three digits that count. */
export function number(value: number): string {
  const fractionDigits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  const fraction = { minimumFractionDigits: Math.min(fractionDigits, 2), maximumFractionDigits: Math.min(fractionDigits, 2) };
  return value.toLocaleString('en', fraction);
}

const spread = (value: number): string => `±${(value * 100).toFixed(0)}%`;

type Side = 'left' | 'right';

/** Columns of the same width, by the sides to which their cells keep. */
export function align(lines: readonly (readonly string[])[], sides: readonly Side[]): string[] {
  const widths = sides.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, column) => (sides[column] === 'right' ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => (line === '' ? '' : `  ${line}`));
