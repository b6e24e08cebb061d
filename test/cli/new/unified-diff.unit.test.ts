import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { unifiedDiff } from '../../../src/cli/new/unified-diff.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'diff-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('unifiedDiff', () => {
  it('is empty where nothing changes', () => {
    expect(unifiedDiff('a', 'same\n', 'same\n')).toBe('');
  });

  it('shows a new file against nothing', () => {
    expect(unifiedDiff('src/a.ts', undefined, 'one\ntwo\n')).toBe('--- /dev/null\n+++ b/src/a.ts\n@@ -0,0 +1,2 @@\n+one\n+two\n');
  });

  it('shows three lines around what differs, and parts that are far apart by themselves', () => {
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
    const text = (changed: readonly string[]): string => `${changed.join('\n')}\n`;
    const shown = unifiedDiff('a', text(lines), text(lines.with(4, 'other').toSpliced(20, 0, 'more')));
    expect(shown).toContain(
      '@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+other\n line 6\n line 7\n line 8\n@@ -18,6 +18,7 @@\n',
    );
  });

  it('is what git applies, for any two files', () => {
    const file = fc.array(fc.constantFrom('a', 'b', 'c', '', '}'), { minLength: 1, maxLength: 25 });
    fc.assert(
      fc.property(file, file, (before, after) => {
        const [old, young] = [`${before.join('\n')}\n`, `${after.join('\n')}\n`];
        writeFileSync(join(folder, 'file'), old);
        const patch = unifiedDiff('file', old, young);
        if (patch !== '') execFileSync('git', ['apply', '--whitespace=nowarn', '-'], { cwd: folder, input: patch });
        expect(readFileSync(join(folder, 'file'), 'utf8')).toBe(young);
      }),
      { numRuns: 50 },
    );
  });
});
