import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Module } from '../kernel/module.ts';

const MODULES = 'src/modules';

/**
 * What stands in the folders of the modules and is in no list, found from the root of the project: a module, a migration, an aggregate
 * type, a reactor, a process manager. Nothing else would say so before somebody misses it.
 */
export async function unlistedProblems(modules: readonly Module[]): Promise<string[]> {
  const parts = await Promise.all(modules.map(unlistedParts));
  return [...unlistedModules(modules), ...modules.flatMap(unlistedMigrations), ...parts.flat()];
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

/** By how a part is declared: what becomes of one that no list names, and which list that is. */
const PARTS = [
  [/^export const (\w+): AggregateType</gm, 'cannot be stored', 'aggregates'],
  [/^export const (\w+) = reactor\(/gm, 'never reacts', 'reactors'],
  [/^export const (\w+) = processManager\(/gm, 'never begins', 'processes'],
] as const;

async function unlistedParts(module: Module): Promise<string[]> {
  const problems: string[] = [];
  for (const file of globSync(`${MODULES}/${module.name}/**/*.ts`)) {
    const text = readFileSync(file, 'utf8');
    for (const [declared, consequence, list] of PARTS) {
      const listed: readonly unknown[] = module[list] ?? [];
      for (const [, part = ''] of text.matchAll(declared)) {
        const exported = (await import(pathToFileURL(resolve(file)).href)) as Readonly<Record<string, unknown>>;
        if (!listed.includes(exported[part]))
          problems.push(`${part} of ${file} ${consequence}: list it in the \`${list}\` of ${MODULES}/${module.name}/module.ts`);
      }
    }
  }
  return problems;
}
