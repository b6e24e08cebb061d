import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Runs `npm run generate`, where the project has it. Returns what it said when it failed. */
export async function generate(signal: AbortSignal): Promise<string | undefined> {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts?: Record<string, string> };
  if (scripts?.generate === undefined) return undefined;
  return await problemsOf('npm', ['run', '--silent', 'generate'], signal);
}

/** What the type check finds; undefined when it finds nothing, or when the project is not in TypeScript. */
export async function typeProblems(signal: AbortSignal): Promise<string | undefined> {
  const compiler = 'node_modules/typescript/bin/tsc';
  if (!existsSync('tsconfig.json') || !existsSync(compiler)) return undefined;
  const pretty = process.stderr.isTTY ? 'true' : 'false';
  return await problemsOf(process.execPath, [compiler, '--noEmit', '--pretty', pretty], signal);
}

/** What the program says when it fails; undefined when it succeeds or the signal ends it. */
function problemsOf(program: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        said += chunk;
      });
    }
    child.on('error', ({ message }) => {
      said += message;
    });
    child.on('close', (code) => resolve(code === 0 || signal.aborted ? undefined : said));
  });
}
