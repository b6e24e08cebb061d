import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Surroundings } from './surroundings.ts';

/** What the package exports, by the file that says so in the project. */
const ENTRIES: Readonly<Record<string, string>> = {
  bicameral: 'src/kernel/index.ts',
  'bicameral/testing': 'src/testing/index.ts',
};

/**
 * A file of the template as it stands in its surroundings. A service imports the package; in the project itself the same names are imported
 * from the files that define them, and tests run by Jest.
 */
export function inSurroundings(text: string, path: string, { root, kind }: Surroundings): string {
  if (kind === 'service') return text;
  const sources = new Map<string, string>();
  return text
    .replace(
      /^import (type )?\{([^}]*)\} from '(bicameral(?:\/\w+)?)';\n/gm,
      (_, type: string | undefined, names: string, entry: string) => {
        const bySource = Map.groupBy(
          names
            .split(',')
            .map((name) => name.trim())
            .filter(Boolean),
          (name) => sourceOf(name.replace(/^type /, '').replace(/ as .*/, ''), entry),
        );
        return [...bySource]
          .map(([source, imported]) => `import ${type ?? ''}{ ${imported.join(', ')} } from '${relativePath(path, source)}';\n`)
          .join('');
      },
    )
    .replace(
      /^import \{([^}]*)\} from 'node:test';\n/m,
      (_, names: string) => `import {${jestNames(names)}} from '@jest/globals';\n`,
    )
    .replace(/^(before|after)\(/gm, '$1All(');

  function sourceOf(name: string, entry: string): string {
    if (sources.size === 0) for (const [from, file] of Object.entries(ENTRIES)) readExports(root, from, file, sources);
    const source = sources.get(`${entry} ${name}`);
    if (source === undefined) throw new Error(`${entry} exports no ${name}`);
    return source;
  }
}

const jestNames = (names: string): string => names.replace(/\b(before|after)\b/g, '$1All');

function readExports(root: string, entry: string, file: string, sources: Map<string, string>): void {
  const index = readFileSync(join(root, file), 'utf8');
  for (const [, names = '', from = ''] of index.matchAll(/^export (?:type )?\{([^}]*)\} from '(\.[^']*)';/gm))
    for (const name of names.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').split(',')) {
      const exported = name
        .trim()
        .replace(/^type /, '')
        .replace(/^\w+ as /, '');
      if (exported) sources.set(`${entry} ${exported}`, join(dirname(file), from));
    }
}

function relativePath(from: string, to: string): string {
  const path = relative(dirname(from), to);
  return path.startsWith('.') ? path : `./${path}`;
}
