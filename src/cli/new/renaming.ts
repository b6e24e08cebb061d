import { type Name, nameOf } from './name.ts';
import { withArticle } from './verbs.ts';

/** The names in the templates. They are of two words each, so that every form of theirs is told from every other. */
export const TEMPLATE = {
  module: nameOf(['farm', 'shop']),
  aggregate: nameOf(['jam', 'jar']),
  aggregates: nameOf(['jam', 'jars']),
} as const;

/** Replaces names in every form in which they stand in a text or in a path: the first of each pair by the second. */
export function renaming(pairs: readonly (readonly [from: Name, to: Name])[]): (text: string) => string {
  const forms = new Map<string, string>();
  for (const [from, to] of pairs)
    for (const form of ['pascal', 'camel', 'snake', 'kebab', 'constant', 'words'] as const) {
      forms.set(from[form], to[form]);
      if (form === 'words') forms.set(capital(from.words), capital(to.words));
    }
  // The longer ones first: `JamJars` is not `JamJar` with an s.
  const longestFirst = [...forms.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(`(\\b[Aa] )?(${longestFirst.join('|')})`, 'g');
  return (text) =>
    text.replace(pattern, (_, article: string | undefined, form: string) => {
      const name = forms.get(form) ?? form;
      if (article === undefined) return name;
      const preceded = withArticle(name);
      return article === 'A ' ? capital(preceded) : preceded;
    });
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
