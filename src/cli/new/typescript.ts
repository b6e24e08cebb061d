import { codeOf, cut, endOfBracket, inserted, insideBrackets, linesOf, type Range } from './source.ts';

/** Parts of TypeScript files, and where others are put. Biome lays out what comes of it. Each answers undefined when the place is not there. */

/** Imports a name unless it is imported. */
export function withImport(
  source: string,
  { name, from, isType = false }: { name: string; from: string; isType?: boolean },
): string {
  const declared = isType ? `type ${name}` : name;
  for (const { index, 0: statement } of source.matchAll(/^import (type )?\{[^}]*\} from '[^']*';$/gm)) {
    if (!statement.endsWith(`from '${from}';`)) continue;
    if (new RegExp(`\\b${name}\\b`).test(statement.slice(0, statement.indexOf('}')))) return source;
    if (statement.startsWith('import type') && !isType) continue;
    const own = statement.startsWith('import type') ? name : declared;
    return inserted(source, index + statement.indexOf('{') + 1, ` ${own},`);
  }
  const line = isType ? `import type { ${name} } from '${from}';\n` : `import { ${name} } from '${from}';\n`;
  const last = [...source.matchAll(/^(import\b[^;]*;|\} from '[^']*';)\n/gm)].at(-1);
  return last
    ? inserted(source, last.index + last[0].length, line)
    : `${line}${source.startsWith('import') ? '' : '\n'}${source}`;
}

/** Puts an element behind the others of a list: `head` ends with the list's bracket. */
export function withElement(source: string, head: RegExp, element: string): string | undefined {
  const inside = insideBrackets(codeOf(source), head);
  return inside && withAnother(source, inside, element);
}

/** Puts a property, or a spread, into an object, behind the others. */
export const withProperty = withElement;

/** Puts an element into a list of the module's definition, which need not have that list yet. */
export function withListed(source: string, list: string, element: string): string | undefined {
  const head = new RegExp(`\\b${list}:\\s*\\[`);
  return withElement(source, head, element) ?? withProperty(source, /\bdefineModule(<[^(]*>)?\(\{/, `${list}: [${element}]`);
}

function withAnother(source: string, inside: Range, element: string): string {
  const listed = cut(source, inside);
  const code = codeOf(listed);
  const end = code.trimEnd().length;
  const needsComma = end > 0 && code[end - 1] !== ',';
  const isLong = listed.includes('\n');
  return inserted(source, inside.from + end, `${needsComma ? ',' : ''}${isLong ? '\n' : ' '}${element}${isLong ? ',' : ''}`);
}

/** A member of a class or of an interface, with its docstring. */
export function memberIn(source: string, name: string): string | undefined {
  const range = memberRange(source, name);
  return range && cut(source, range);
}

export function memberRange(source: string, name: string): Range | undefined {
  const code = codeOf(source);
  const head = new RegExp(`^  (?:static )?${name}\\(`, 'm').exec(code);
  if (!head) return undefined;
  const behindParameters = endOfBracket(code, head.index + head[0].length - 1);
  // The block that ends a line's brackets: a return type can hold braces of its own.
  const body = /\{\n|;\n/.exec(code.slice(behindParameters));
  if (!body) return undefined;
  const at = behindParameters + body.index;
  return linesOf(source, { from: head.index + 2, to: code[at] === ';' ? at + 1 : endOfBracket(code, at) });
}

/** Puts a method into a class, in front of what is private to it. */
export function withMethod(source: string, className: string, method: string): string | undefined {
  const inside = insideBrackets(codeOf(source), new RegExp(`\\bclass ${className}\\b[^{]*\\{`));
  if (!inside) return undefined;
  const hidden = /^ {2}private (?!constructor)\w+\(/m.exec(cut(codeOf(source), inside));
  if (!hidden) return inserted(source, source.lastIndexOf('\n', inside.to) + 1, `\n${method}`);
  const { from } = linesOf(source, { from: inside.from + hidden.index + 2, to: inside.from + hidden.index + 2 });
  return inserted(source, from, `${method}\n`);
}

/** Adds a type to a union that is declared by `export type Name =`. */
export function withUnionMember(source: string, name: string, member: string): string | undefined {
  const code = codeOf(source);
  const head = new RegExp(`\\btype ${name} =`).exec(code);
  if (!head) return undefined;
  const end = endOfDeclaration(code, head.index + head[0].length);
  const members = source.slice(head.index + head[0].length, end);
  const isEmpty = members.trim() === 'never' || members.trim() === '';
  const isListed = members.trimStart().startsWith('|');
  return `${source.slice(0, head.index + head[0].length)}${isEmpty ? '' : isListed ? members : `\n  | ${members.trim()}`}\n  | ${member}${source.slice(end)}`;
}

function endOfDeclaration(code: string, from: number): number {
  for (let at = from; at < code.length; at++) {
    if ('([{'.includes(code[at] ?? ' ')) at = endOfBracket(code, at) - 1;
    else if (code[at] === ';') return at;
  }
  return code.length;
}

/** Puts a case in front of the default of the first switch. */
export function withCase(source: string, text: string): string | undefined {
  const at = /^\s*default:/m.exec(codeOf(source))?.index;
  return at === undefined ? undefined : inserted(source, source[at] === '\n' ? at + 1 : at, text);
}
