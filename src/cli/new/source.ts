/**
 * Finds places in TypeScript and in .proto files by their brackets. It knows what is no code (comments, strings, templates, regular
 * expressions) and no more of a language: enough to find the end of a list, of a message or of a class, however these are laid out.
 */
export interface Range {
  readonly from: number;
  /** Behind the last character. */
  readonly to: number;
}

/** The source with blanks in place of comments and of what strings hold, each character where it was. Line feeds stay. */
export function codeOf(source: string): string {
  let code = '';
  let at = 0;
  while (at < source.length) {
    const end = endOfText(source, at, code);
    if (end === at) code += source[at++];
    else {
      code += blanked(source.slice(at, end));
      at = end;
    }
  }
  return code;
}

/** A comment is nothing; of a string its quotes stay, because it is a value. */
function blanked(text: string): string {
  const blanks = text.replace(/[^\n]/g, ' ');
  return /^\/[/*]/.test(text) ? blanks : `${text[0]}${blanks.slice(1, -1)}${text.at(-1)}`;
}

/** Where the comment, string or regular expression ends that begins at a place; the place itself when none does. */
function endOfText(source: string, at: number, before: string): number {
  const two = source.slice(at, at + 2);
  if (two === '//') return endOr(source.indexOf('\n', at), source);
  if (two === '/*') return endOr(source.indexOf('*/', at + 2) + 2, source, 1);
  const first = source[at];
  if (first === '"' || first === "'" || first === '`') return endOfString(source, at, first);
  // After a value it divides; after anything else it begins a regular expression.
  if (first === '/' && /(^|[(,=:[!&|?{};+]|\b(return|case|typeof))\s*$/.test(before)) return endOfPattern(source, at);
  return at;
}

const endOr = (end: number, source: string, missing = -1): number => (end === missing ? source.length : end);

function endOfString(source: string, at: number, quote: string): number {
  for (let next = at + 1; next < source.length; next++) {
    if (source[next] === '\\') next++;
    else if (source[next] === quote) return next + 1;
    else if (quote === '`' && source.startsWith('${', next)) next = endOfBracket(codeFrom(source, next + 1), 0, next + 1) - 1;
  }
  return source.length;
}

/** A template's expression can hold strings of its own. */
function codeFrom(source: string, from: number): string {
  return codeOf(source.slice(from));
}

function endOfPattern(source: string, at: number): number {
  let inClass = false;
  for (let next = at + 1; next < source.length && source[next] !== '\n'; next++) {
    if (source[next] === '\\') next++;
    else if (source[next] === '[') inClass = true;
    else if (source[next] === ']') inClass = false;
    else if (source[next] === '/' && !inClass) return next + 1;
  }
  return at + 1;
}

/** Behind the bracket that closes the one at a place. `offset` is added. */
export function endOfBracket(code: string, open: number, offset = 0): number {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if ('([{'.includes(code[at] ?? ' ')) depth++;
    else if (')]}'.includes(code[at] ?? ' ') && --depth === 0) return at + 1 + offset;
  }
  return code.length + offset;
}

/** What stands between the brackets of the first pair behind what matches; undefined when nothing matches. */
export function insideBrackets(code: string, head: RegExp): Range | undefined {
  const match = head.exec(code);
  if (!match) return undefined;
  const open = match.index + match[0].length - 1;
  return { from: open + 1, to: endOfBracket(code, open) - 1 };
}

/** The whole lines that a range touches, with the comment that stands directly above. */
export function linesOf(source: string, { from, to }: Range): Range {
  let start = source.lastIndexOf('\n', from - 1) + 1;
  while (start > 0) {
    const above = source.lastIndexOf('\n', start - 2) + 1;
    if (!/^\s*(\/\/|\/\*|\*)/.test(source.slice(above, start))) break;
    start = above;
  }
  const end = source.indexOf('\n', to);
  return { from: start, to: end < 0 ? source.length : end + 1 };
}

export const cut = (source: string, { from, to }: Range): string => source.slice(from, to);

export const without = (source: string, { from, to }: Range): string => source.slice(0, from) + source.slice(to);

export const inserted = (source: string, at: number, text: string): string => source.slice(0, at) + text + source.slice(at);
