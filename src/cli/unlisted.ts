import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Module } from '../kernel/module.ts';

const MODULES = 'src/modules';

/**
 * What stands in the folders of the modules and is in no list, found from the root of the project: a module, a migration, an aggregate
 * type. Nothing else would say so before somebody misses it.
 */
export async function unlistedProblems(modules: readonly Module[]): Promise<string[]> {
  const aggregates = await Promise.all(modules.map(unlistedAggregates));
  return [...unlistedModules(modules), ...modules.flatMap(unlistedMigrations), ...aggregates.flat()];
}

function unlistedModules(modules: readonly Pick<Module, 'name'>[]): string[] {
  const listed = new Set(modules.map(({ name }) => name));
  return globSync(`${MODULES}/*/module.{ts,js}`)
    .filter((file) => !listed.has(file.split('/').at(-2) ?? ''))
    .map((file) => `${file} is not served: list its module in \`modules\` of src/app.ts, or remove its folder`);
}

function unlistedMigrations({ name, migrations = [] }: Pick<Module, 'name' | 'migrations'>): string[] {
  const folder = join(MODULES, name, 'migrations');
  if (!existsSync(folder)) return [];
  const listed = new Set(migrations.map((migration) => migration.name));
  return readdirSync(folder)
    .filter((file) => /\.[jt]s$/.test(file) && !listed.has(basename(file).replace(/\.[jt]s$/, '')))
    .map((file) => `${join(folder, file)} never runs: list it in the \`migrations\` of ${MODULES}/${name}/module.ts`);
}

/** An aggregate type says that it is one: `export const OrderType: AggregateType<Order>`. */
const AGGREGATE_TYPE = /^export const (\w+): AggregateType</gm;

async function unlistedAggregates({ name, aggregates = [] }: Pick<Module, 'name' | 'aggregates'>): Promise<string[]> {
  const problems: string[] = [];
  for (const file of globSync(`${MODULES}/${name}/**/*.ts`)) {
    for (const [, type = ''] of readFileSync(file, 'utf8').matchAll(AGGREGATE_TYPE)) {
      const exported = (await import(pathToFileURL(resolve(file)).href)) as Readonly<Record<string, never>>;
      if (!aggregates.includes(exported[type] as never))
        problems.push(`${type} of ${file} cannot be stored: list it in the \`aggregates\` of ${MODULES}/${name}/module.ts`);
    }
  }
  return problems;
}
