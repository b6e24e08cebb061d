import { codeOf, cut, endOfBracket, inserted, insideBrackets, linesOf, type Range } from './source.ts';

/** Parts of .proto files, and where others are put. `buf format` lays out what comes of it. */

/** An rpc with its comment and options. */
export function rpcIn(source: string, name: string): string | undefined {
  const code = codeOf(source);
  const start = new RegExp(`\\brpc\\s+${name}\\b`).exec(code)?.index;
  return start === undefined ? undefined : cut(source, linesOf(source, { from: start, to: endOfStatement(code, start) }));
}

/** A message or an enum with its comment. */
export function typeIn(source: string, name: string): string | undefined {
  const range = typeRange(source, name);
  return range && cut(source, range);
}

function typeRange(source: string, name: string): Range | undefined {
  const code = codeOf(source);
  const head = new RegExp(`\\b(message|enum|service)\\s+${name}\\s*\\{`).exec(code);
  if (!head) return undefined;
  return linesOf(source, { from: head.index, to: endOfBracket(code, head.index + head[0].length - 1) });
}

/** Puts an rpc behind the others of a service; undefined when the service is not there. */
export function withRpc(source: string, service: string, rpc: string): string | undefined {
  const inside = insideBrackets(codeOf(source), new RegExp(`\\bservice\\s+${service}\\s*\\{`));
  if (!inside) return undefined;
  const isEmpty = cut(source, inside).trim() === '';
  return inserted(source, endOfLines(source, inside), `${isEmpty ? '' : '\n'}${rpc}`);
}

/** Puts a value behind the others of an enum, with the next number; undefined when the enum is not there. `value` has `NUMBER` in its place. */
export function withEnumValue(source: string, name: string, value: string): string | undefined {
  const code = codeOf(source);
  const inside = insideBrackets(code, new RegExp(`\\benum\\s+${name}\\s*\\{`));
  if (!inside) return undefined;
  const numbers = [...cut(code, inside).matchAll(/^\s*[A-Z][A-Z0-9_]*\s*=\s*(\d+)/gm)].map(([, number]) => Number(number));
  return inserted(source, endOfLines(source, inside), `\n${value.replace('NUMBER', String(Math.max(-1, ...numbers) + 1))}`);
}

export function hasEnumValue(source: string, value: string): boolean {
  return new RegExp(`\\b${value}\\s*=`).test(codeOf(source));
}

/** An enum's value with its comment and options, and `NUMBER` in place of its number. */
export function enumValueIn(source: string, name: string): string | undefined {
  const code = codeOf(source);
  const head = new RegExp(`\\b${name}\\s*=\\s*\\d+`).exec(code);
  if (!head) return undefined;
  const value = cut(source, linesOf(source, { from: head.index, to: endOfStatement(code, head.index) }));
  return value.replace(new RegExp(`(\\b${name}\\s*=\\s*)\\d+`), '$1NUMBER');
}

/** Puts messages at the end. */
export const withTypes = (source: string, types: readonly string[]): string =>
  [source.trimEnd(), ...types.map((type) => type.trimEnd())].join('\n\n').concat('\n');

/** Imports a file unless it is imported. */
export function withProtoImport(source: string, path: string): string {
  const line = `import "${path}";`;
  if (source.includes(line)) return source;
  const last = [...source.matchAll(/^import .*;\n/gm)].at(-1) ?? /^package .*;\n/m.exec(source);
  if (!last) return `${line}\n${source}`;
  const isFirst = last[0].startsWith('package');
  return inserted(source, last.index + last[0].length, `${isFirst ? '\n' : ''}${line}\n`);
}

/** The files that a text needs, of those that a source imports. */
export function importsFor(source: string, text: string): string[] {
  const imports = [...source.matchAll(/^import "(.*)";$/gm)].map(([, path = '']) => path);
  return imports.filter((path) => USES[path]?.test(text) ?? false);
}

/** What tells that a text needs an imported file. */
const USES: Readonly<Record<string, RegExp>> = {
  'buf/validate/validate.proto': /\(buf\.validate\./,
  'cqrs/v1/access.proto': /\(cqrs\.v1\.access\)/,
  'cqrs/v1/errors.proto': /\(cqrs\.v1\.failure\)/,
  'cqrs/v1/limits.proto': /\(cqrs\.v1\.(rate|guess)_limit\)/,
  'cqrs/v1/personal.proto': /\(cqrs\.v1\.(personal|owner)\)/,
  'cqrs/v1/text.proto': /cqrs\.v1\.(text|plain|visible)\b/,
  'google/protobuf/timestamp.proto': /google\.protobuf\.Timestamp/,
};

/** Behind the last line that stands between two brackets. */
function endOfLines(source: string, { from, to }: Range): number {
  const lastLine = source.lastIndexOf('\n', to - 1) + 1;
  return lastLine > from ? lastLine : to;
}

/** Behind the block, or the semicolon, that ends what begins at a place. */
function endOfStatement(code: string, start: number): number {
  for (let at = start; at < code.length; at++) {
    if (code[at] === ';') return at + 1;
    if (code[at] === '{') return endOfBracket(code, at);
    if (code[at] === '(' || code[at] === '[') at = endOfBracket(code, at) - 1;
  }
  return code.length;
}
