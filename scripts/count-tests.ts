/** Prints jest's own count of a run, from its JSON report, as one line. Fails when nothing was counted. */
import { readFileSync } from 'node:fs';

const [, , report = ''] = process.argv;
const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites, numRuntimeErrorTestSuites } = JSON.parse(
  readFileSync(report, 'utf8'),
);
if (numPassedTests + numFailedTests === 0) throw new Error('no test ran');
// A suite that cannot be loaded has no failed tests of its own.
const failed =
  numFailedTests === 0 && numFailedTestSuites > 0 ? numRuntimeErrorTestSuites || numFailedTestSuites : numFailedTests;
const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : '';
console.log(`tests: ${numPassedTests} passed, ${failed} failed${skipped}`);
