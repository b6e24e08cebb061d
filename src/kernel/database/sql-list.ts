const WIDTH = 110;

/** A list in the text of a statement, in lines that a person can read. */
export function sqlList(items: readonly string[], indent = '    '): string {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + item.length < WIDTH) lines[lines.length - 1] = `${last}, ${item}`;
    else lines.push(item);
  }
  return lines.join(`,\n${indent}`);
}
