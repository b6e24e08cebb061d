/**
 * Prints the counts of a test run, from its reports, as one line. Fails when nothing was counted.
 * A later report is of suites that were run again: it stands in place of what an earlier one says of them.
 */
import { readTestReport, type Suite } from './test-report.ts';

const suites = new Map<string, Suite>();
for (const report of process.argv.slice(2)) for (const suite of readTestReport(report)) suites.set(suite.path, suite);

const count = { passed: 0, failed: 0, skipped: 0 };
for (const { failed, tests } of suites.values()) {
  const passed = tests.filter((status) => status === 'passed').length;
  const failures = tests.filter((status) => status === 'failed').length;
  count.passed += passed;
  // A suite that cannot be loaded has no failed tests of its own.
  count.failed += failed ? Math.max(failures, 1) : 0;
  count.skipped += tests.length - passed - failures;
}
if (count.passed + count.failed === 0) {
  console.error('no test ran');
  process.exit(1);
}
console.log(`tests: ${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}`);
