import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from '@jest/globals';

/** What is left of an import when the types are stripped. */
const IMPORT = /^(?:import|export) (?!type )(?:[^;]*? from )?'([^']+)';/gm;

/** Every module that a file loads, and those that these load. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  seen.add(file);
  if (!/\.[jt]s$/.test(file)) return seen;
  for (const [, specifier = ''] of readFileSync(file, 'utf8').replaceAll('"', "'").matchAll(IMPORT)) {
    const target = specifier.startsWith('.')
      ? join(dirname(file), specifier)
      : specifier.replace(/^#gen\//, 'gen/').replace(/^(@[^/]+\/[^/]+).*/, '$1');
    if (!seen.has(target)) loadedBy(target, seen);
  }
  return seen;
}

it('bicameral/client loads nothing that a browser lacks', () => {
  const loaded = [...loadedBy('src/client/index.ts')];
  expect(loaded).toContain('src/client/retries.ts');
  expect(loaded).toContain('gen/google/rpc/error_details_pb.js');
  expect(loaded.filter((module) => !/^(src|gen)\//.test(module)).sort()).toEqual(['@bufbuild/protobuf', '@connectrpc/connect']);
});
