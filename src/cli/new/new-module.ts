import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Generation } from './generation.ts';
import { GeneratorError } from './generator-error.ts';
import { type AggregateNames, moduleNames } from './module-names.ts';
import { type Name, parseName } from './name.ts';
import { moduleFiles } from './new-aggregate.ts';
import { withoutParts } from './parts.ts';
import { pluralOf, singularOf } from './plural.ts';
import { modulesIn } from './surroundings.ts';
import { templateFile } from './template.ts';
import { withElement, withImport } from './typescript.ts';

const APP = 'src/app.ts';

/** A module with one aggregate, and the line by which the service has it. */
export function newModule(generation: Generation, module: Name, aggregate: AggregateNames): void {
  const { surroundings, next } = generation;
  if (modulesIn(surroundings).includes(module.snake))
    throw new GeneratorError(`There is a module ${module.snake} already, and nothing was written.`);
  const taken = contractFolders(surroundings.root)
    .map((folder) => join(folder, module.snake))
    .find((path) => existsSync(join(surroundings.root, path)));
  if (taken !== undefined)
    throw new GeneratorError(
      `${taken} has a package of that name already, and nothing was written: give the module another name.`,
    );
  for (const path of moduleFiles()) {
    const text = withoutParts(path, templateFile(path));
    if (text !== undefined) generation.fromTemplate(path, moduleNames(module, aggregate), text);
  }
  generation.insert(
    APP,
    { what: 'among the modules', text: `${module.camel},  // from './modules/${module.snake}/module.ts'` },
    (source) => {
      const listed = withElement(source, /\bmodules:\s*\[/, module.camel);
      return listed && withImport(listed, { name: module.camel, from: `./modules/${module.snake}/module.ts` });
    },
  );
  next.push(
    `Say what ${aggregate.many.words} are: change proto/${module.snake}/v1/${aggregate.one.snake}.proto, src/modules/${module.snake}/domain/${aggregate.one.kebab}.ts and its mapping.`,
    `Add what can be done: \`bicameral new command ${module.snake} NAME\`.`,
  );
}

/** Where contracts are, as `buf.yaml` says: of two packages with one name, nobody could tell which is meant. */
function contractFolders(root: string): string[] {
  const file = join(root, 'buf.yaml');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return [...text.matchAll(/^ {2}- path: (\S+)$/gm)].map(([, path = '']) => path);
}

/** What the aggregate of a new module is called, unless it is said: one of what the module is called after. Throws GeneratorError. */
export function aggregateNames(
  module: Name,
  { aggregate, plural }: { aggregate?: string | undefined; plural?: string | undefined },
): AggregateNames {
  const one = aggregate === undefined ? singularOf(module) : parseName('aggregate', aggregate);
  if (!one) throw new GeneratorError(`What is one of ${module.words} called? Give --aggregate, such as \`--aggregate Invoice\`.`);
  // It passes the same rules as one that is given.
  return { one: parseName('aggregate', one.kebab), many: plural === undefined ? pluralOf(one) : parseName('aggregate', plural) };
}
