import { PipelineError } from '../kernel/bus/order.ts';
import { moduleProblems } from '../kernel/check-modules.ts';
import { contractDescriptors } from '../kernel/contracts/descriptors.ts';
import type { Application } from '../kernel/service.ts';
import { pipelinesOf } from './pipeline.ts';
import { applicationOf, type ServiceProgram } from './program.ts';
import { unlistedProblems } from './unlisted.ts';

/** `bicameral check`: whether the modules, the roles, the middleware and the contracts of the service fit together. Needs no database. Exits with 1 when they do not. */
export async function check(program: ServiceProgram): Promise<void> {
  const application = await applicationOf(program);
  const problems = moduleProblems(application, contractDescriptors().files);
  problems.push(...(await unlistedProblems(application.modules)));
  problems.push(...middlewareProblems(application));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}

function middlewareProblems(application: Application): string[] {
  try {
    pipelinesOf(application, {});
    return [];
  } catch (error) {
    if (error instanceof PipelineError) return [error.message];
    throw error;
  }
}
