import { readFile } from 'node:fs/promises';
import type { Findings, Measure } from '../workload.ts';
import { align, number } from './table.ts';

/** The numbers of this run as parts of those of another one, which its `--json` wrote; subjects and measures that both have. */
export async function besideTable(file: string, workload: string, { measures }: Findings): Promise<string> {
  const { results }: { results: { name: string; measures: Measure[] }[] } = JSON.parse(await readFile(file, 'utf8'));
  const others = results.find(({ name }) => name === workload)?.measures ?? [];
  const lines = measures.flatMap(({ subject, measure, figure }) => {
    const other = others.find((one) => one.subject === subject && one.measure === measure);
    return other ? [[`${subject} ${measure}`, number(figure.median / other.figure.median)]] : [];
  });
  return [`  as parts of the numbers in ${file}:`, ...align(lines, ['left', 'right']).map((line) => `  ${line}`), ''].join('\n');
}
