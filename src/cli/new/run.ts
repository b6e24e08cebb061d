import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { Generation } from './generation.ts';
import { GeneratorError } from './generator-error.ts';
import { existingAggregate, existingModule } from './module-names.ts';
import { type Name, parseName } from './name.ts';
import { newAggregate } from './new-aggregate.ts';
import { newCommand } from './new-command.ts';
import { newEvent } from './new-event.ts';
import { newMigration } from './new-migration.ts';
import { aggregateNames, newModule } from './new-module.ts';
import { newProjection } from './new-projection.ts';
import { newQuery } from './new-query.ts';
import { newService } from './new-service.ts';
import { pluralOf } from './plural.ts';
import { surroundingsOf } from './surroundings.ts';

/** What every generator is told. */
export interface GeneratorOptions {
  readonly dryRun?: true;
  readonly aggregate?: string;
}

export function runNewService(text: string, { dryRun }: GeneratorOptions): void {
  const name = parseName('service', text);
  const generation = new Generation({ root: resolve(name.kebab), kind: 'service' }, new Date());
  newService(generation, name);
  finish(generation, { dryRun, folder: `${name.kebab}/` });
}

export function runNewModule(text: string, options: GeneratorOptions & { plural?: string }): void {
  const module = parseName('module', text);
  inService(options, (generation) => newModule(generation, module, aggregateNames(module, options)));
}

export function runNewAggregate(moduleText: string, text: string, options: GeneratorOptions & { plural?: string }): void {
  const one = parseName('aggregate', text);
  const many = options.plural === undefined ? pluralOf(one) : parseName('aggregate', options.plural);
  inModule(moduleText, options, (generation, module) => newAggregate(generation, module, { one, many }));
}

export function runNewCommand(moduleText: string, text: string, options: GeneratorOptions & { event?: string }): void {
  const command = parseName('command', text);
  const event = options.event === undefined ? undefined : parseName('event', options.event);
  inModule(moduleText, options, (generation, module) => {
    const aggregate = existingAggregate(generation.surroundings, module, { named: options.aggregate, heldBy: command });
    newCommand(generation, module, aggregate, { command, event });
  });
}

export function runNewQuery(moduleText: string, text: string, options: GeneratorOptions): void {
  const query = parseName('query', text);
  inModule(moduleText, options, (generation, module) =>
    newQuery(
      generation,
      module,
      existingAggregate(generation.surroundings, module, { named: options.aggregate, heldBy: query }),
      query,
    ),
  );
}

export function runNewEvent(moduleText: string, aggregate: string, text: string, options: GeneratorOptions): void {
  const event = parseName('event', text);
  inModule(moduleText, options, (generation, module) =>
    newEvent(generation, module, existingAggregate(generation.surroundings, module, { named: aggregate }), event),
  );
}

export function runNewProjection(moduleText: string, text: string, options: GeneratorOptions): void {
  const projection = parseName('projection', text);
  inModule(moduleText, options, (generation, module) => {
    const aggregate = existingAggregate(generation.surroundings, module, { named: options.aggregate, heldBy: projection });
    newProjection(generation, module, aggregate, projection);
  });
}

export function runNewMigration(moduleText: string, text: string, options: GeneratorOptions): void {
  const migration = parseName('migration', text);
  inModule(moduleText, options, (generation, module) => newMigration(generation, module, migration));
}

function inModule(text: string, options: GeneratorOptions, generate: (generation: Generation, module: Name) => void): void {
  inService(options, (generation) => generate(generation, existingModule(generation.surroundings, text)));
}

function inService({ dryRun }: GeneratorOptions, generate: (generation: Generation) => void): void {
  const surroundings = surroundingsOf(process.cwd());
  const generation = new Generation(surroundings, new Date());
  generate(generation);
  finish(generation, { dryRun, generates: true });
}

/** Shows what is changed, or changes it; then tells what there is and what is next. */
function finish(
  { changes, next, surroundings: { root } }: Generation,
  { dryRun, folder = '', generates = false }: { dryRun: true | undefined; folder?: string; generates?: boolean },
): void {
  changes.format();
  if (dryRun) {
    process.stdout.write(`${changes.diff()}\nNothing was written. Without --dry-run, this is.\n`);
  } else {
    changes.write();
    for (const path of changes.paths)
      process.stdout.write(`${changes.isNew(path) ? 'new      ' : 'changed  '}${folder}${path}\n`);
  }
  for (const { path, what, text } of changes.byHand)
    process.stdout.write(`\nIn ${path} there was no place found ${what}. Put this there:\n\n${text.replace(/^(?=.)/gm, '  ')}\n`);
  if (dryRun) return;
  if (generates && changes.paths.some((path) => path.endsWith('.proto'))) runGenerate(root);
  process.stdout.write(`\nNext:\n${next.map((step) => `  - ${step}\n`).join('')}`);
}

function runGenerate(root: string): void {
  try {
    execFileSync('npm', ['run', '--silent', 'generate'], { cwd: root, stdio: 'inherit' });
  } catch {
    throw new GeneratorError(
      'What is listed above was written, but `npm run generate` failed: mend what it names and run it again, or take the changes back.',
    );
  }
}
