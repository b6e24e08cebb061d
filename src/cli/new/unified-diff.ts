import { diff } from 'node:util';

/** Lines of context around what differs. */
const CONTEXT = 3;

type Line = readonly [mark: ' ' | '-' | '+', text: string];

/** What changes in a file, in the form that `patch` and `git apply` read. A file that was not there before, or goes, is /dev/null. */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  const lines = changes(before ?? '', after ?? '');
  const hunks = hunksOf(lines);
  if (hunks.length === 0) return '';
  const from = before === undefined ? '/dev/null' : `a/${path}`;
  const to = after === undefined ? '/dev/null' : `b/${path}`;
  return `--- ${from}\n+++ ${to}\n${hunks.map(({ start, end }) => hunkText(lines, start, end)).join('')}`;
}

function changes(before: string, after: string): Line[] {
  const split = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));
  return diff(split(before), split(after)).map(([operation, text]) => [
    operation === 0 ? ' ' : operation === 1 ? '-' : '+',
    text,
  ]);
}

/** Runs of lines with something that differs and its context; those that touch are one. */
function hunksOf(lines: readonly Line[]): { start: number; end: number }[] {
  const hunks: { start: number; end: number }[] = [];
  lines.forEach(([mark], index) => {
    if (mark === ' ') return;
    const start = Math.max(0, index - CONTEXT);
    const end = Math.min(lines.length, index + CONTEXT + 1);
    const last = hunks.at(-1);
    if (last && last.end >= start) last.end = end;
    else hunks.push({ start, end });
  });
  return hunks;
}

function hunkText(lines: readonly Line[], start: number, end: number): string {
  const before = lines.slice(0, start);
  const hunk = lines.slice(start, end);
  const place = (other: '-' | '+'): string => {
    const count = hunk.filter(([mark]) => mark !== other).length;
    const skipped = before.filter(([mark]) => mark !== other).length;
    return `${count === 0 ? skipped : skipped + 1},${count}`;
  };
  return `@@ -${place('+')} +${place('-')} @@\n${hunk.map(([mark, text]) => `${mark}${text}\n`).join('')}`;
}
