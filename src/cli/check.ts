import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { moduleProblems } from '../kernel/check-modules.ts';
import { contractDescriptors } from '../kernel/contracts/descriptors.ts';
import type { Module } from '../kernel/module.ts';
import { applicationOf, type ServiceProgram } from './program.ts';

/** `bicameral check`: whether the modules, the roles and the contracts of the service fit together. Needs no database. Exits with 1 when they do not. */
export async function check(program: ServiceProgram): Promise<void> {
  const application = await applicationOf(program);
  const problems = moduleProblems(application, contractDescriptors().files);
  problems.push(...application.modules.flatMap(unlistedMigrations));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}

/** Files of migrations that no list names: they would never run, and nothing else would say so. */
function unlistedMigrations({ name, migrations = [] }: Pick<Module, 'name' | 'migrations'>): string[] {
  const folder = join('src/modules', name, 'migrations');
  if (!existsSync(folder)) return [];
  const listed = new Set(migrations.map((migration) => migration.name));
  return readdirSync(folder)
    .filter((file) => /\.[jt]s$/.test(file) && !listed.has(basename(file).replace(/\.[jt]s$/, '')))
    .map((file) => `${join(folder, file)} never runs: list it in the \`migrations\` of src/modules/${name}/module.ts`);
}
