import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A fenced block of a page: ```` ```sh ```` is run, ```` ```ts PATH ```` is a file, ```` ```diff PATH ```` a change of one. */
export interface PageBlock {
  readonly kind: string;
  readonly path: string;
  readonly text: string;
}

export const blocksOf = (page: string): PageBlock[] =>
  [...page.matchAll(/^```(\S*)(?: (\S+))?\n(.*?)^```$/gms)].map(([, kind = '', path = '', text = '']) => ({ kind, path, text }));

/** Writes the file of a block, or makes the change that it shows, as a person would by hand. */
export function apply({ kind, path, text }: PageBlock, root: string): void {
  if (kind !== 'diff') {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    return;
  }
  const [found, ...others] = globSync(path, { cwd: root });
  if (found === undefined || others.length > 0) throw new Error(`${path} is no one file: ${[found, ...others]}`);
  const file = join(root, found);
  writeFileSync(
    file,
    text.split(/^@@\n/m).reduce((source, hunk) => changed(source, hunk, path), readFileSync(file, 'utf8')),
  );
}

/** The lines with `-` and ` ` stand in the file once, and are replaced by those with `+` and ` `. */
function changed(source: string, hunk: string, path: string): string {
  const lines = hunk.split('\n').slice(0, -1);
  const side = (sign: string): string =>
    lines
      .filter((line) => !line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  const parts = `\n${source}`.split(`\n${side('+')}`);
  if (parts.length !== 2) throw new Error(`${path} has these lines ${parts.length - 1} times:\n${side('+')}`);
  return parts.join(`\n${side('-')}`).slice(1);
}
