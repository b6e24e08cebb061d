import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What an entry of the package exports: declarations without their comments, by name. */
export type Exports = ReadonlyMap<string, string>;

/** The exports of each entry, such as `bicameral/testing`, from the declarations below a folder. */
export function readSurface(entries: Readonly<Record<string, string>>, folder: string): ReadonlyMap<string, Exports> {
  return new Map(Object.entries(entries).map(([entry, file]) => [entry, exportsOf(join(folder, file))]));
}

/** The surface as a page that is compared. */
export function surfaceText(surface: ReadonlyMap<string, Exports>): string {
  const entries = [...surface].map(([entry, exports]) => {
    const declarations = [...exports].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, declaration]) => declaration);
    return `# ${entry}\n\n${declarations.join('\n\n')}\n`;
  });
  return `${entries.join('\n')}`;
}

/** The names whose declarations differ between two pages, or that one of them lacks. */
export function changedNames(before: string, after: string): string[] {
  const one = namesIn(before);
  const other = namesIn(after);
  return [...new Set([...one.keys(), ...other.keys()])].filter((name) => one.get(name) !== other.get(name)).sort();
}

const DECLARED = /^export (?:declare )?(?:abstract )?(?:function|const|class|interface|type|enum) (\w+)/;

function namesIn(page: string): Map<string, string> {
  const names = new Map<string, string>();
  for (const block of page.split(/\n\n(?=export |# )|^(?=# )/m)) {
    const [, name] = DECLARED.exec(block) ?? [];
    if (name !== undefined) names.set(name, `${names.get(name) ?? ''}${block.trimEnd()}`);
  }
  return names;
}

/** An index is a list of `export { … } from '…'`: see src/kernel/index.ts. */
function exportsOf(index: string): Exports {
  const exports = new Map<string, string>();
  const text = withoutComments(readFileSync(index, 'utf8'));
  for (const [, names = '', from = ''] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']*)';/gm)) {
    const declared = declarationsIn(join(dirname(index), from.replace(/\.ts$/, '.d.ts')));
    for (const name of names.split(',').map((listed) => listed.trim().replace(/^type /, ''))) {
      if (name === '') continue;
      const declaration = declared.get(name);
      if (declaration === undefined) throw new Error(`${index} exports ${name}, which ${from} does not declare`);
      exports.set(name, declaration);
    }
  }
  return exports;
}

/** As the compiler writes them: each begins at the margin, and its last line is the next one at the margin. */
function declarationsIn(file: string): Map<string, string> {
  const declarations = new Map<string, string>();
  let open: string[] = [];
  for (const line of withoutComments(readFileSync(file, 'utf8')).split('\n')) {
    if (open.length === 0 && !DECLARED.test(line)) continue;
    open.push(line);
    if (!/^(?!\s).*[;}]$/.test(line) || (open.length > 1 && !/^[})\]&|]/.test(line))) continue;
    const [, name = ''] = DECLARED.exec(open[0] ?? '') ?? [];
    declarations.set(name, [...(declarations.has(name) ? [declarations.get(name)] : []), ...open].join('\n'));
    open = [];
  }
  return declarations;
}

const withoutComments = (text: string): string => text.replace(/^[ \t]*\/\*\*[\s\S]*?\*\/[ \t]*\n/gm, '');
