/** `npm run check:modules`: whether the modules, the roles and the contracts of the service fit together. Needs no database. */
import { application } from '../src/app.ts';
import { moduleProblems } from '../src/kernel/check-modules.ts';
import { contractDescriptors } from '../src/kernel/contracts/descriptors.ts';

const problems = moduleProblems(application, contractDescriptors().files);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
