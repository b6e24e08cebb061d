/**
 * `npm run lock`, after a dependency was added or changed: puts back the entries of other platforms that npm left out of the lock files,
 * as the last commit has them. With --check it fails, naming the packages, when a lock file is not whole.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { completed, type LockFile, missingEntries, unportableEntries } from './lock-file.ts';

const committed = (file: string): LockFile => JSON.parse(execFileSync('git', ['show', `HEAD:${file}`], { encoding: 'utf8' }));

for (const file of ['package-lock.json', 'bench/package-lock.json', 'scripts/api/package-lock.json']) {
  let lock: LockFile = JSON.parse(readFileSync(file, 'utf8'));
  if (!process.argv.includes('--check')) {
    lock = completed(lock, committed(file));
    writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  }
  const missing = missingEntries(lock).map(({ dependent, name, range }) => `${name}@${range} of ${dependent || 'the project'}`);
  const unportable = unportableEntries(lock).map((path) => `${path}: no integrity, or a registry's address`);
  if (missing.length + unportable.length === 0) continue;
  console.error(
    `${file} is not whole, and npm ci refuses it where the registry serves these packages. Try \`npm run lock\`;\n` +
      `what it cannot restore, \`npm install\` adds on a day when the registry serves it:\n  ${[...missing, ...unportable].join('\n  ')}`,
  );
  process.exitCode = 1;
}
