import type { Generation } from './generation.ts';
import { GeneratorError } from './generator-error.ts';
import { migrationNames } from './migration-stamp.ts';
import { moduleNames } from './module-names.ts';
import type { Name } from './name.ts';
import { PATHS, TEMPLATE_MIGRATION } from './parts.ts';
import { TEMPLATE } from './renaming.ts';
import { withElement, withImport } from './typescript.ts';

/** A change of the schema that belongs to a module, at the end of the module's list. */
export function newMigration(generation: Generation, module: Name, migration: Name): void {
  if (migrationNames(generation.surroundings.root, module).includes(migration.kebab))
    throw new GeneratorError(`There is a migration ${migration.kebab} already, and nothing was written.`);
  const names = [
    [TEMPLATE_MIGRATION, migration] as const,
    ...moduleNames(module, { one: TEMPLATE.aggregate, many: TEMPLATE.aggregates }),
  ];
  generation.fromTemplate(PATHS.migration, names);
  registerMigration(generation, { template: '20261130000003', name: migration, rename: generation.renamer(names) });
  generation.next.push(
    `Write the change: ${generation.renamer(names)(PATHS.migration)}. It runs when the service starts, or with \`bicameral migrate\`.`,
  );
}

/** Puts a migration of the template, dated, into the list of its module. */
export function registerMigration(
  generation: Generation,
  { template, name, rename }: { template: string; name: Name; rename: (text: string) => string },
): void {
  const file = `${rename(template)}-${name.kebab}`;
  const className = `Migration${rename(template)}${name.pascal}`;
  const entry = `{ name: '${file}', class: ${className} }`;
  generation.insert(rename(PATHS.migrations), { what: 'among the migrations', text: entry }, (source) => {
    const listed = withElement(source, /\bmigrations\b[^=]*=\s*\[/, entry);
    return listed && withImport(listed, { name: className, from: `./migrations/${file}.ts` });
  });
}
