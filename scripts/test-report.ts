/**
 * What a run of the tests came to: a reporter of jest's writes it to the file of `--outputFile`, and scripts read it.
 * Jest's own `--json` writes the failures themselves too, and ends without a report where JSON cannot hold one, as with a circle.
 */
import { readFileSync, writeFileSync } from 'node:fs';

/** A test file: its path, and whether it failed, be it that it could not be loaded at all. `tests` are the statuses of its tests. */
export interface Suite {
  readonly path: string;
  readonly failed: boolean;
  readonly tests: readonly string[];
}

/** The part of jest's results of one test file that a report is made of. */
interface TestFileResult {
  readonly testFilePath: string;
  readonly testExecError?: unknown;
  readonly numFailingTests: number;
  readonly testResults: readonly { readonly status: string }[];
}

/** Jest makes one: `--reporters=default --reporters=./scripts/test-report.ts --outputFile=PATH`. */
export default class TestReport {
  readonly #path: string;

  constructor({ outputFile }: { readonly outputFile?: string }) {
    if (outputFile === undefined) throw new Error('where should the report go? Add --outputFile=PATH');
    this.#path = outputFile;
  }

  onRunComplete(_contexts: unknown, { testResults }: { readonly testResults: readonly TestFileResult[] }): void {
    const suites = testResults.map(
      ({ testFilePath, testExecError, numFailingTests, testResults: tests }): Suite => ({
        path: testFilePath,
        failed: Boolean(testExecError) || numFailingTests > 0,
        tests: tests.map(({ status }) => status),
      }),
    );
    writeFileSync(this.#path, JSON.stringify(suites));
  }
}

/** Reads a report. Where it is missing or torn, jest crashed: this program ends with a line that says so. */
export function readTestReport(path: string): Suite[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Suite[];
  } catch {
    console.error(`jest ended without its report ${path}: what it wrote last says why`);
    process.exit(1);
  }
}
