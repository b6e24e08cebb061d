import { escapedLine } from '../kernel/telemetry/escaped-text.ts';

/**
 * Writes rows as lines with aligned columns. Rows can come in parts: a column is as wide as its widest cell so far. An empty cell is a
 * dash. What would command the terminal is escaped, because cells can hold what a stranger sent.
 */
export function alignedRows(): (rows: readonly (readonly string[])[]) => string {
  const widths: number[] = [];
  return (rows) => {
    const cells = rows.map((row) => row.map((cell) => escapedLine(cell) || '-'));
    for (const row of cells)
      row.forEach((cell, column) => {
        widths[column] = Math.max(widths[column] ?? 0, cell.length);
      });
    return cells
      .map(
        (row) =>
          `${row
            .map((cell, column) => cell.padEnd(widths[column] ?? 0))
            .join('  ')
            .trimEnd()}\n`,
      )
      .join('');
  };
}
