/**
 * Prints jest's counts of a run, from its JSON reports, as one line. Fails when nothing was counted.
 * A later report is of suites that were run again: it stands in place of what an earlier one says of them.
 */
import { readFileSync } from 'node:fs';

interface Suite {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

const suites = new Map<string, Suite>();
for (const report of process.argv.slice(2)) {
  for (const suite of JSON.parse(readFileSync(report, 'utf8')).testResults as Suite[]) suites.set(suite.name, suite);
}
const count = { passed: 0, failed: 0, skipped: 0 };
for (const { status, assertionResults } of suites.values()) {
  const passed = assertionResults.filter((test) => test.status === 'passed').length;
  const failed = assertionResults.filter((test) => test.status === 'failed').length;
  count.passed += passed;
  // A suite that cannot be loaded has no failed tests of its own.
  count.failed += status === 'failed' ? Math.max(failed, 1) : failed;
  count.skipped += assertionResults.length - passed - failed;
}
if (count.passed + count.failed === 0) throw new Error('no test ran');
console.log(`tests: ${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}`);
