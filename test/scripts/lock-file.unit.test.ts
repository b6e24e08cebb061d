import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { completed, type LockFile, missingEntries, unportableEntries } from '../../scripts/lock-file.ts';

const entry = { version: '1.0.0', integrity: 'sha512-x' };
const whole: LockFile = {
  packages: {
    '': { devDependencies: { tool: '1.0.0' } },
    'node_modules/tool': { ...entry, optionalDependencies: { 'tool-darwin': '1.0.0', 'tool-wasm': '1.0.0' } },
    'node_modules/tool-darwin': entry,
    'node_modules/tool-wasm': { ...entry, dependencies: { runtime: '^1.0.0' } },
    'node_modules/tool-wasm/node_modules/runtime': entry,
  },
};
const without = (lock: LockFile, ...paths: string[]): LockFile => ({
  packages: Object.fromEntries(Object.entries(lock.packages).filter(([path]) => !paths.includes(path))),
});

describe('the lock file', () => {
  it('lacks what no entry answers, wherever Node.js would look for it', () => {
    expect(missingEntries(whole)).toEqual([]);
    expect(missingEntries(without(whole, 'node_modules/tool-darwin'))).toEqual([
      { dependent: 'node_modules/tool', name: 'tool-darwin', range: '1.0.0' },
    ]);
  });

  it('is completed from an earlier one, with what the entries put back depend on, in the order of before', () => {
    const cut = without(
      whole,
      'node_modules/tool-darwin',
      'node_modules/tool-wasm',
      'node_modules/tool-wasm/node_modules/runtime',
    );
    expect(JSON.stringify(completed(cut, whole))).toBe(JSON.stringify(whole));
  });

  it('is not completed with another version than it asks for', () => {
    const upgraded: LockFile = {
      packages: {
        ...without(whole, 'node_modules/tool-darwin').packages,
        'node_modules/tool': { version: '2.0.0', integrity: 'sha512-y', optionalDependencies: { 'tool-darwin': '2.0.0' } },
      },
    };
    expect(missingEntries(completed(upgraded, whole))).toHaveLength(1);
  });

  it('holds for no registry alone, and has a checksum of every package', () => {
    const packages = {
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { ...entry, resolved: 'https://registry.example/b' },
    };
    expect(unportableEntries({ packages })).toEqual(['node_modules/a', 'node_modules/b']);
  });

  it.each(['package-lock.json', 'bench/package-lock.json'])('%s is whole', (file) => {
    const lock: LockFile = JSON.parse(readFileSync(file, 'utf8'));
    expect([...missingEntries(lock), ...unportableEntries(lock)]).toEqual([]);
  });
});
