import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GeneratorError } from './generator-error.ts';
import { type Name, nameOf, parseName } from './name.ts';
import { pluralOf } from './plural.ts';
import { TEMPLATE } from './renaming.ts';
import { modulesIn, type Surroundings } from './surroundings.ts';

/** An aggregate as code names it: one of them, and many. */
export interface AggregateNames {
  readonly one: Name;
  readonly many: Name;
}

/** The pairs by which the template becomes a module's code. */
export const moduleNames = (module: Name, { one, many }: AggregateNames) =>
  [
    [TEMPLATE.module, module],
    [TEMPLATE.aggregate, one],
    [TEMPLATE.aggregates, many],
  ] as const;

/** A module that is there. Throws GeneratorError, with the names of those that are. */
export function existingModule(surroundings: Surroundings, text: string): Name {
  const name = parseName('module', text);
  const modules = modulesIn(surroundings);
  if (modules.includes(name.snake)) return name;
  const there = modules.length === 0 ? 'none yet' : modules.join(', ');
  throw new GeneratorError(
    `There is no module ${name.snake}; there is ${there}. Begin one with \`bicameral new module ${name.snake}\`.`,
  );
}

/** The aggregates of a module: each has a list of its events in `domain/`. */
export function aggregatesOf({ root }: Surroundings, module: Name): readonly AggregateNames[] {
  const folder = join(root, 'src/modules', module.snake, 'domain');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('-events.ts'))
    .map((file) => nameOf(file.slice(0, -'-events.ts'.length).split('-')))
    .map((one) => ({ one, many: repositoryName(folder, one) ?? pluralOf(one) }));
}

/** An aggregate of a module: the one that is named, else the one that a name ends with or holds, else the only one. Throws GeneratorError. */
export function existingAggregate(
  surroundings: Surroundings,
  module: Name,
  { named, heldBy }: { named?: string | undefined; heldBy?: Name },
): AggregateNames {
  const aggregates = aggregatesOf(surroundings, module);
  const names = aggregates.map(({ one }) => one.pascal);
  if (names.length === 0) {
    throw new GeneratorError(
      `The module ${module.snake} has no aggregate; give it one with \`bicameral new aggregate ${module.snake} NAME\`.`,
    );
  }
  if (named !== undefined) {
    const { pascal } = parseName('aggregate', named);
    const found = aggregates.find(({ one }) => one.pascal === pascal);
    if (found) return found;
    throw new GeneratorError(`The module ${module.snake} has no aggregate ${pascal}; it has ${names.join(', ')}.`);
  }
  const held = aggregates.filter(({ one, many }) => heldBy && (holds(heldBy, one) || holds(heldBy, many)));
  const [longest] = held.sort((a, b) => b.one.words.length - a.one.words.length);
  const [only, another] = aggregates;
  const found = longest ?? (another ? undefined : only);
  if (found) return found;
  throw new GeneratorError(`Which aggregate of the module ${module.snake} is it about? Give --aggregate: ${names.join(', ')}.`);
}

const holds = ({ words }: Name, part: Name): boolean => ` ${words} `.includes(` ${part.words} `);

/** The file that declares the repository of an aggregate is named after many of them. */
function repositoryName(folder: string, one: Name): Name | undefined {
  const finds = new RegExp(`\\bfind\\(\\w+: string\\): Promise<${one.pascal} \\| undefined>`);
  const file = readdirSync(folder).find((name) => name.endsWith('.ts') && finds.test(readFileSync(join(folder, name), 'utf8')));
  return file === undefined ? undefined : nameOf(file.slice(0, -'.ts'.length).split('-'));
}
