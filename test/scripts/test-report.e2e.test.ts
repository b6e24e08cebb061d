import { execFile } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Suite } from '../../scripts/test-report.ts';

const root = resolve(import.meta.dirname, '../..');
const scripts = join(root, 'scripts');
let dir: string;
let report: string;
beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'bicameral-report-')));
  report = join(dir, 'report.json');
});
afterAll(() => rm(dir, { recursive: true }));

const execute = promisify(execFile);
/** Runs a script of Node.js and returns how it ended. */
const run = async (...command: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  const options = { cwd: dir, env: { ...process.env, NODE_OPTIONS: '' } };
  try {
    return { code: 0, ...(await execute(process.execPath, command, options)) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
};

/** Runs jest over test files of these contents, as CI does. */
async function runTests(contents: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(contents)) await writeFile(join(dir, `${name}.test.cjs`), text);
  const config = { testEnvironment: 'node', transform: {}, testMatch: ['**/*.test.cjs'], moduleFileExtensions: ['cjs', 'js'] };
  await run(
    join(root, 'node_modules/jest/bin/jest.js'),
    ...['--ci', '--maxWorkers=2', '--rootDir', dir, '--config', JSON.stringify(config)],
    ...['--reporters=default', `--reporters=${join(scripts, 'test-report.ts')}`, `--outputFile=${report}`],
  );
}

const failing = (statements: string): string => `it('fails', () => {
  const error = new Error('no');
  ${statements}
  throw error;
});`;

describe('the report of a test run', () => {
  it('is there whatever the failures hold, and names and counts what failed', async () => {
    await runTests({
      passing: `it('passes', () => {}); it('passes too', () => {}); it.skip('waits', () => {});`,
      bigint: failing('error.details = [{ debug: { seconds: 3n } }];'),
      circle: failing('error.details = { error };'),
      getter: failing(`Object.defineProperty(error, 'detail', { enumerable: true, get() { throw new Error('never') } });`),
      unloadable: `throw Object.assign(new Error('no test'), { size: 3n });`,
    });

    const suites = JSON.parse(await readFile(report, 'utf8')) as Suite[];
    const failed = ['bigint', 'circle', 'getter', 'unloadable'].map((name) => join(dir, `${name}.test.cjs`));
    expect(suites).toHaveLength(5);
    expect(suites).toContainEqual({
      path: join(dir, 'passing.test.cjs'),
      failed: false,
      tests: ['passed', 'passed', 'pending'],
    });
    const named = await run(join(scripts, 'failed-suites.ts'), report);
    expect(named.stdout.trim().split('\n').toSorted()).toEqual(failed);
    expect(await run(join(scripts, 'count-tests.ts'), report)).toMatchObject({
      code: 0,
      stdout: 'tests: 2 passed, 4 failed, 1 skipped\n',
    });
  });

  it('counts what ran again by its later report', async () => {
    const again = join(dir, 'again.json');
    const passed: Suite = { path: 'a.test.ts', failed: false, tests: ['passed'] };
    await writeFile(report, JSON.stringify([passed, { path: 'b.test.ts', failed: true, tests: ['failed', 'passed'] }]));
    await writeFile(again, JSON.stringify([{ path: 'b.test.ts', failed: false, tests: ['passed', 'passed'] }]));
    expect(await run(join(scripts, 'count-tests.ts'), report, again)).toMatchObject({
      code: 0,
      stdout: 'tests: 3 passed, 0 failed\n',
    });
  });

  it.each(['count-tests.ts', 'failed-suites.ts'])(
    'is missed by %s in one line when jest left none, or a torn one',
    async (script) => {
      const missing = join(dir, 'missing.json');
      const torn = join(dir, 'torn.json');
      await writeFile(torn, '[{"path":');
      for (const path of [missing, torn])
        expect(await run(join(scripts, script), path)).toMatchObject({
          code: 1,
          stdout: '',
          stderr: `jest ended without its report ${path}: what it wrote last says why\n`,
        });
    },
  );

  it('is nothing to be green about when no test ran', async () => {
    await writeFile(report, '[]');
    expect(await run(join(scripts, 'count-tests.ts'), report)).toMatchObject({ code: 1, stderr: 'no test ran\n' });
  });
});
