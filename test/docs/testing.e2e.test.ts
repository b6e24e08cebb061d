import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

/** The examples that name the file they stand in. */
const EXAMPLES = [...readFileSync('docs/testing.md', 'utf8').matchAll(/^```ts\n\/\/ (\S+\.test\.ts)\n(.*?)^```$/gms)].map(
  ([, name = '', code = '']) => ({ name, code }),
);

describe('docs/testing.md', () => {
  let folder: string;
  beforeAll(() => {
    // As deep as a test of a module, so that the imports are those of one.
    folder = mkdtempSync(join('test', 'docs', 'examples-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has an example of each level', () => {
    expect(EXAMPLES.map(({ name }) => name)).toEqual([
      'aggregate.test.ts',
      'handler.test.ts',
      'at-once.test.ts',
      'reactor.test.ts',
      'service.test.ts',
      'projection.test.ts',
    ]);
  });

  it.each(EXAMPLES)('runs $name by node --test, with nothing prepared', async ({ name, code }) => {
    const file = join(folder, name);
    // The package is this project.
    writeFileSync(file, code.replace(`'bicameral/testing'`, `'../../../src/testing/index.ts'`));
    const { BICAMERAL_TEST_CLUSTER: _, NODE_OPTIONS: __, ...env } = process.env;
    const { stdout } = await promisify(execFile)('node', ['--test', '--test-reporter=tap', file], { env }).catch(
      (failure: { stdout: string; stderr: string }) => {
        throw new Error(`${failure.stdout}\n${failure.stderr}`);
      },
    );
    expect(stdout).toContain('# fail 0');
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBe(code.match(/\bit\('/g)?.length);
  });
});
