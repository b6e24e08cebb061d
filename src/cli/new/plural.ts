import { type Name, nameOf } from './name.ts';

/** The name of one of them: `orders` gives `order`. Undefined where the name is no plural that this can tell. */
export function singularOf(name: Name): Name | undefined {
  const last = lastWord(name);
  if (/(ss|us|is)$/.test(last)) return undefined;
  if (/[^aeiou]ies$/.test(last)) return withLast(name, `${last.slice(0, -3)}y`);
  if (/(ss|x|ch|sh|zz)es$/.test(last)) return withLast(name, last.slice(0, -2));
  if (last.length > 2 && last.endsWith('s')) return withLast(name, last.slice(0, -1));
  return undefined;
}

/** The name of many: `category` gives `categories`. */
export function pluralOf(name: Name): Name {
  const last = lastWord(name);
  if (/[^aeiou]y$/.test(last)) return withLast(name, `${last.slice(0, -1)}ies`);
  if (/(s|x|ch|sh|z)$/.test(last)) return withLast(name, `${last}es`);
  return withLast(name, `${last}s`);
}

const lastWord = ({ words }: Name): string => words.slice(words.lastIndexOf(' ') + 1);

const withLast = ({ words }: Name, last: string): Name => nameOf([...words.split(' ').slice(0, -1), last]);
