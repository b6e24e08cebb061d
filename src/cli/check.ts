import { moduleProblems } from '../kernel/check-modules.ts';
import { contractDescriptors } from '../kernel/contracts/descriptors.ts';
import { applicationOf, type ServiceProgram } from './program.ts';
import { unlistedProblems } from './unlisted.ts';

/** `bicameral check`: whether the modules, the roles and the contracts of the service fit together. Needs no database. Exits with 1 when they do not. */
export async function check(program: ServiceProgram): Promise<void> {
  const application = await applicationOf(program);
  const problems = moduleProblems(application, contractDescriptors().files);
  problems.push(...(await unlistedProblems(application.modules)));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}
