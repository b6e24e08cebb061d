import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const COMMAND = /npx bicameral ([a-z-]+)(?: ([a-z-]+))?/g;
/** The folder of each group of subcommands. */
const GROUPS: Readonly<Record<string, string>> = {
  audit: 'audit/',
  keys: 'keys/',
  projection: 'operations/',
  reactor: 'operations/',
  'dead-letters': 'operations/',
  timers: 'operations/',
};
/** The subcommands, as the sources of a folder of the command line name them. */
const namedIn = (folder: string): string[] =>
  globSync(`src/cli/${folder}*.ts`).flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/\.command\('([a-z-]+)/g)].map(([, name = '']) => name),
  );
const known = [...new Set(['', '*/'].flatMap(namedIn))];

describe('the command line', () => {
  it.each(['README.md', ...globSync('docs/*.md'), ...globSync('docs/{guides,runbooks}/*.md')])(
    'has the commands of %s',
    (page) => {
      for (const [, command = '', second] of readFileSync(page, 'utf8').matchAll(COMMAND)) {
        expect(known).toContain(command);
        const folder = GROUPS[command];
        if (folder !== undefined && second !== undefined) expect(namedIn(folder)).toContain(second);
      }
    },
  );
});
