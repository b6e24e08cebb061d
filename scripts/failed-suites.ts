/** Prints the paths of the test files that failed in jest's JSON reports, one a line. */
import { readFileSync } from 'node:fs';

interface Report {
  readonly testResults: readonly { readonly name: string; readonly status: string }[];
}

for (const report of process.argv.slice(2)) {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  for (const { name, status } of testResults) if (status === 'failed') console.log(name);
}
