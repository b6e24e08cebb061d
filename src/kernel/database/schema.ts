import type { EntitySchema } from '@mikro-orm/postgresql';
import { KERNEL_MIGRATIONS } from './kernel-migrations.ts';
import type { NamedMigration } from './named-migration.ts';

/** What is asked of a module to migrate its part of the schema. */
export interface ModuleSchema {
  /** Names the schema of its tables; its read models are in the schema `read`. */
  readonly name: string;
  /** Oldest first. */
  readonly migrations?: readonly NamedMigration[];
  readonly aggregates?: readonly { readonly mapping: Pick<EntitySchema, 'meta'> }[];
}

/** The schema of the kernel and of the modules of a service. */
export interface Schema {
  /** In the order in which they run. */
  readonly migrations: readonly NamedMigration[];
  /** The lists that they come from, by the names of the modules. */
  readonly lists: ReadonlyMap<string, readonly NamedMigration[]>;
  /** Where modules have their tables, the kernel's schemas last. */
  readonly schemas: readonly string[];
}

/** Migrations that cannot be run in an order that is the same everywhere; the message names each and says what to do. */
export class MigrationsInvalid extends Error {
  constructor(problems: readonly string[]) {
    super(`The migrations cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'MigrationsInvalid';
  }
}

const NAME = /^\d{14}-[a-z0-9]+(-[a-z0-9]+)*$/;

/** The read models of all modules, and the kernel's own tables. */
const SHARED = ['read', 'cqrs'];

/** Throws MigrationsInvalid. */
export function schemaOf(modules: readonly ModuleSchema[]): Schema {
  const lists = new Map([
    ['kernel', KERNEL_MIGRATIONS],
    ...modules.map(({ name, migrations = [] }) => [name, migrations] as const),
  ]);
  const problems = migrationProblems(lists);
  if (problems.length > 0) throw new MigrationsInvalid(problems);
  const own = modules.flatMap(({ name, aggregates = [] }) => [
    name,
    ...aggregates.map(({ mapping }) => mapping.meta.schema ?? name),
  ]);
  const migrations = [...lists.values()].flat().sort((one, other) => (one.name < other.name ? -1 : 1));
  return { migrations, lists, schemas: [...new Set(own).difference(new Set(SHARED)), ...SHARED] };
}

/** What is wrong with the lists of migrations, and what to do about it. */
export function migrationProblems(lists: Schema['lists']): string[] {
  const problems: string[] = [];
  const known = new Map<string, string>();
  for (const [module, list] of lists) {
    for (const [index, { name }] of list.entries()) {
      const other = known.get(name);
      if (other !== undefined) problems.push(`${name} is in the lists of ${other} and of ${module}: give one another name`);
      known.set(name, module);
      if (!NAME.test(name))
        problems.push(`${name} of ${module} has to be a time and words in lower case, e.g. 20261201093000-${module}`);
      const before = list[index - 1]?.name ?? '';
      if (name < before)
        problems.push(
          `${name} of ${module} is listed behind ${before}, and runs before it: list them in the order of their names`,
        );
    }
  }
  return problems;
}

/**
 * The migrations that have not been run, in the order in which they are to be. Of those of one module, none may come before one that was run:
 * databases would have run them in different orders. Those of another module may, such as when a module is added to a service that is
 * older than it. Throws MigrationsInvalid.
 */
export function pendingOf({ migrations, lists }: Schema, executed: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  for (const [module, list] of lists) {
    const newest = list.findLast(({ name }) => executed.has(name))?.name ?? '';
    for (const { name } of list) {
      if (name < newest && !executed.has(name))
        problems.push(
          `${name} of ${module} has not been run, and ${newest} behind it has: give it a time later than that, so that every database runs them in one order`,
        );
    }
  }
  if (problems.length > 0) throw new MigrationsInvalid(problems);
  return migrations.map(({ name }) => name).filter((name) => !executed.has(name));
}
