import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Generated, staleFiles } from '../../../src/cli/generate/stale-files.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stale-'));
  write(root);
});
afterEach(() => rmSync(root, { recursive: true }));

function write(target: string): Generated {
  for (const folder of ['gen/a', 'src']) mkdirSync(join(target, folder), { recursive: true });
  writeFileSync(join(target, 'gen/a/one.js'), 'one');
  writeFileSync(join(target, 'src/list.ts'), 'list');
  return { folders: ['gen'], files: ['src/list.ts'] };
}

describe('staleFiles', () => {
  it('finds none when everything is as it is generated, and leaves nothing behind', async () => {
    writeFileSync(join(root, 'src/by-hand.ts'), 'whatever');
    mkdirSync(join(root, 'node_modules'));
    expect(await staleFiles(root, write)).toEqual([]);
    expect(readdirSync(join(root, 'node_modules'))).toEqual([]);
  });

  it('finds what was changed, what is missing, and what is left from before', async () => {
    writeFileSync(join(root, 'src/list.ts'), 'changed');
    rmSync(join(root, 'gen/a/one.js'));
    writeFileSync(join(root, 'gen/a/old.js'), 'old');
    expect(await staleFiles(root, write)).toEqual(['gen/a/old.js', 'gen/a/one.js', 'src/list.ts']);
  });
});
