/** Prints the paths of the test files that failed, from reports of test runs, one a line. */
import { readTestReport } from './test-report.ts';

for (const { path, failed } of process.argv.slice(2).flatMap((path) => readTestReport(path))) if (failed) console.log(path);
