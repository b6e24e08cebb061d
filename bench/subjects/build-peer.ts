import { execFile } from 'node:child_process';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const BENCH = join(import.meta.dirname, '..');
const run = promisify(execFile);

let built: Promise<{ main: string; proto: string }> | undefined;

/** Compiles the peer (decorators need more than type stripping) and, the first time, installs what it is made of. */
export function buildPeer(): Promise<{ main: string; proto: string }> {
  built ??= build();
  return built;
}

async function build(): Promise<{ main: string; proto: string }> {
  const installed = await access(join(BENCH, 'node_modules', '@nestjs', 'core')).then(
    () => true,
    () => false,
  );
  // Not `npm ci`, which wants every platform's packages in the lockfile.
  if (!installed) await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: BENCH });
  const tsc = join(BENCH, '..', 'node_modules', '.bin', 'tsc');
  await run(tsc, ['--project', join(BENCH, 'subjects', 'peer')]);
  const folder = join(BENCH, 'node_modules', '.peer');
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n');
  return { main: join(folder, 'main.js'), proto: join(BENCH, 'subjects', 'peer', 'users.proto') };
}
