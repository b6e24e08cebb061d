import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { copyProject, type ProjectCopy } from '../support/project-copy.ts';

interface Pack {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** All that a user of the package needs. Whoever adds a line says in docs/adr/0025-the-package.md what for. */
const NEEDED = [
  /^bin\/bicameral\.js$/,
  /^dist\/(kernel|client|embedded-postgres|modules|cli|testing)\/.+\.(js|js\.map|d\.ts)$/,
  /^dist\/(main|app|roles)\.(js|js\.map|d\.ts)$/,
  /^gen\/[a-z0-9/]+\/[a-z_]+_pb\.(js|d\.ts)$/,
  /^gen\/contracts\.binpb$/,
  /^(vendor-)?proto\/[a-z0-9/]+\/[a-z_]+\.proto$/,
  // What `bicameral new` writes.
  /^templates\/service\/.+/,
  /^docs\/(?!adr\/).+\.md$/,
  /^(README|CHANGELOG|SECURITY)\.md$/,
  /^LICENSE$/,
  /^package\.json$/,
];
/** An import of a package, as tsc and protoc-gen-es write it. */
const IMPORT = /(?:^(?:import|export|\}).* from |\bimport\()['"]([^'".#][^'"]*)['"]/gm;
const MEGABYTE = 1024 * 1024;

let copy: ProjectCopy;
let pack: Pack;
beforeAll(async () => {
  copy = copyProject();
  const { code, output } = await copy.run('npm pack --json --silent');
  if (code !== 0) throw new Error(output);
  [pack] = Object.values(JSON.parse(output)) as [Pack];
});
afterAll(() => copy.remove());

const paths = (): string[] => pack.files.map(({ path }) => path);

describe('the package', () => {
  it('holds what a user needs and nothing else', () => {
    expect(paths().filter((path) => !NEEDED.some((pattern) => pattern.test(path)))).toEqual([]);
    for (const pattern of NEEDED) expect(paths()).toContainEqual(expect.stringMatching(pattern));
  });

  it('holds JavaScript, declarations and a source map of every source', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
    const built = sources.flatMap((path) => ['js', 'js.map', 'd.ts'].map((end) => `dist/${path.replace(/ts$/, end)}`));
    expect(paths().filter((path) => path.startsWith('dist/'))).toHaveLength(built.length);
    expect(paths()).toEqual(expect.arrayContaining(built));
  });

  it('is small', () => {
    expect(pack.size).toBeLessThan(2.5 * MEGABYTE);
    expect(pack.unpackedSize).toBeLessThan(9 * MEGABYTE);
  });

  it('can be executed', () => {
    expect(pack.files.find(({ path }) => path === 'bin/bicameral.js')?.mode).toBe(0o755);
  });

  it('imports no package, not even a type, that is not installed with it', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    const imported = paths()
      .filter((path) => /^(dist|gen)\/.+\.(js|d\.ts)$/.test(path))
      .flatMap((path) => [...readFileSync(join(copy.root, path), 'utf8').matchAll(IMPORT)])
      .map(([, specifier = '']) => specifier)
      .filter((specifier) => !specifier.startsWith('node:'))
      .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'));
    expect(imported).toContain('pg');
    for (const name of new Set(imported)) expect(dependencies).toHaveProperty([name]);
    // Its types are in a package of their own.
    expect(dependencies).toHaveProperty(['@types/pg']);
  });
});
