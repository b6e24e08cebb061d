import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { changedNames } from '../../scripts/api/surface.ts';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, string> };
const entries = Object.values(exports)
  .filter((file) => file.startsWith('./dist/'))
  .map((file) => file.replace('./dist/', 'src/').replace(/js$/, 'ts'));

interface Exported {
  readonly name: string;
  readonly isType: boolean;
  readonly docstring: string;
}

function exportedBy(index: string): Exported[] {
  const lists = readFileSync(index, 'utf8').matchAll(/^export (type )?\{([^}]*)\} from '([^']*)';/gm);
  return [...lists].flatMap(([, onlyTypes, names = '', from = '']) => {
    const source = readFileSync(join(dirname(index), from), 'utf8');
    return names
      .split(',')
      .map((listed) => listed.trim())
      .filter((listed) => listed !== '')
      .map((listed) => {
        const name = listed.replace(/^type /, '');
        const declared = new RegExp(
          `(/\\*\\*(?:(?!\\*/)[^])*\\*/)\\nexport (?:async |abstract )*(?:function|const|class|interface|type) ${name}\\b`,
        );
        const isType = onlyTypes !== undefined || name !== listed;
        return { name, isType, docstring: declared.exec(source)?.[1] ?? '' };
      });
  });
}

describe.each(entries)('what %s exports', (entry) => {
  it('is documented, with an example of what is called or made', () => {
    const all = exportedBy(entry);
    expect(all).not.toEqual([]);
    expect(all.filter(({ docstring }) => docstring === '').map(({ name }) => name)).toEqual([]);
    expect(all.filter(({ isType, docstring }) => !isType && !docstring.includes('```')).map(({ name }) => name)).toEqual([]);
  });

  it('is an explicit list', () => {
    expect(readFileSync(entry, 'utf8')).not.toMatch(/export \*|export (?:const|function|class)/);
  });
});

describe('the names that have to be in the changelog', () => {
  const surface = `# bicameral

export interface Application {
    readonly name: string;
}

export declare function one(): void;
export declare function one(text: string): void;

# bicameral/cli

export type Two = 'a' | 'b';
`;

  it('are none while nothing changes', () => {
    expect(changedNames(surface, surface)).toEqual([]);
  });

  it.each([
    ['a new export', surface.replace('\n# bicameral/cli', '\nexport declare const three: number;\n\n# bicameral/cli'), ['three']],
    ['an export that is gone', surface.replace("export type Two = 'a' | 'b';\n", ''), ['Two']],
    ['a member', surface.replace('readonly name', 'readonly title'), ['Application']],
    ['an overload', surface.replace('one(text: string)', 'one(text: number)'), ['one']],
  ])('are those of %s', (_, now, names) => {
    expect(changedNames(surface, now)).toEqual(names);
  });
});
