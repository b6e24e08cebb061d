/** A table in Markdown that is aligned in its source too. The last column is left ragged: its cells are sentences. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')))];
  const widths = lines.reduce<number[]>((widest, row) => row.map((cell, at) => Math.max(widest[at] ?? 0, cell.length)), []);
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at < cells.length - 1 ? cell.padEnd(widths[at] ?? 0) : cell)).join(' | ')} |`.replace(
      '|  |',
      '| |',
    );
  const rule = head.map((title, at) =>
    '-'.repeat(at < head.length - 1 ? Math.max(widths[at] ?? 0, 3) : Math.max(title.length, 3)),
  );
  return lines.map(line).toSpliced(1, 0, line(rule)).join('\n');
}
