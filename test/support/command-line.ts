import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { PATIENCE } from './patience.ts';

/** Runs the program and answers what it said when it ended. A start that succeeds by mistake is killed after a while. */
export async function run(
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../../src/main.ts'), ...command], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  const tooLong = setTimeout(() => child.kill('SIGTERM'), PATIENCE);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  clearTimeout(tooLong);
  return { code, stdout, stderr };
}
