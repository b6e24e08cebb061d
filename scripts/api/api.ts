/**
 * `npm run generate:api`: writes docs/api/, what the package exports: surface.txt from the declarations, and pages by TypeDoc, which is a
 * package of its own because it needs another TypeScript. With --check it writes nothing, and fails when surface.txt is not what is exported, or
 * when a name that changed since the last release is not in the changelog; with --check --pages also when a page is not what the docstrings say. With --release the surface is that of the release from here on.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { changedNames, readSurface, surfaceText } from './surface.ts';

const FOLDER = 'docs/api';
const SURFACE = `${FOLDER}/surface.txt`;
const RELEASED = 'scripts/api/released.txt';

/** The entries of `exports` in package.json that are code, and their declarations. */
function entries(): Record<string, string> {
  const { name, exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { name: string; exports: Record<string, string> };
  const code = Object.entries(exports).filter(([, file]) => file.startsWith('./dist/'));
  return Object.fromEntries(
    code.map(([entry, file]) => [entry.replace('.', name), file.replace('./dist/', '').replace(/js$/, 'd.ts')]),
  );
}

function surfaceNow(): string {
  const folder = mkdtempSync(join(tmpdir(), 'declarations-'));
  try {
    const flags = ['--emitDeclarationOnly', '--sourceMap', 'false', '--inlineSources', 'false', '--outDir', folder];
    execFileSync('tsc', ['-p', 'tsconfig.build.json', ...flags], { stdio: 'inherit' });
    return surfaceText(readSurface(entries(), folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What stands in the changelog before the last release. */
const unreleased = (): string => /^## Unreleased\n(.*?)(?=^## )/ms.exec(readFileSync('CHANGELOG.md', 'utf8'))?.[1] ?? '';

function problems(): string[] {
  const now = surfaceNow();
  if (readFileSync(SURFACE, 'utf8') !== now) return [`${SURFACE} is not what the package exports: run \`npm run generate:api\``];
  const untold = changedNames(readFileSync(RELEASED, 'utf8'), now).filter((name) => !unreleased().includes(`\`${name}\``));
  return untold.map((name) => `${name} of the public API has changed: name \`${name}\` below Unreleased in CHANGELOG.md`);
}

/** TypeDoc removes what it did not write. */
function writePages(folder: string): void {
  const tool = 'scripts/api';
  execFileSync('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--silent'], { cwd: tool, stdio: 'inherit' });
  execFileSync('node_modules/.bin/typedoc', ['--logLevel', 'Warn', '--out', resolve(folder)], { cwd: tool, stdio: 'inherit' });
}

/** Pages that are not what the docstrings say. */
function stalePages(): string[] {
  const fresh = mkdtempSync(join(tmpdir(), 'pages-'));
  try {
    writePages(fresh);
    const pages = (folder: string): string[] =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'));
    const isStale = (page: string): boolean => contentOf(join(FOLDER, page)) !== contentOf(join(fresh, page));
    return [...new Set([...pages(FOLDER), ...pages(fresh)])].filter(isStale);
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

const contentOf = (file: string): string | undefined => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

if (process.argv.includes('--check')) {
  const stale = process.argv.includes('--pages') ? stalePages() : [];
  const found = [
    ...problems(),
    ...stale.map((page) => `${FOLDER}/${page} is not what the docstrings say: run \`npm run generate:api\``),
  ];
  for (const problem of found) {
    console.error(problem);
    process.exitCode = 1;
  }
} else {
  const now = surfaceNow();
  if (process.argv.includes('--release')) writeFileSync(RELEASED, now);
  if (!process.argv.includes('--surface')) writePages(FOLDER);
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(SURFACE, now);
}
