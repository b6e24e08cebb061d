import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A copy of the project to change at will; it shares node_modules. */
export interface ProjectCopy {
  readonly root: string;
  /** Runs a shell command in the copy and answers its exit code and everything it printed. */
  readonly run: (command: string, environment?: Record<string, string>) => Promise<{ code: number | null; output: string }>;
  readonly remove: () => void;
}

const COPIED = [
  'bench',
  'bin',
  'docs',
  'proto',
  'vendor-proto',
  'gen',
  'src',
  'test',
  'scripts',
  'templates',
  'deploy',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'buf.yaml',
  'buf.gen.yaml',
  'jest.config.js',
  'biome.json',
  '.dependency-cruiser.js',
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'LICENSE',
];

export function copyProject(): ProjectCopy {
  const root = mkdtempSync(join(tmpdir(), 'bicameral-copy-'));
  for (const path of COPIED) cpSync(path, join(root, path), { recursive: true });
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  return {
    root,
    run: (command, environment = {}) =>
      new Promise((done) => {
        const path = `${resolve('node_modules/.bin')}:${process.env.PATH}`;
        const child = spawn('sh', ['-c', command], { cwd: root, env: { ...process.env, ...environment, PATH: path } });
        let output = '';
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', (chunk) => {
            output += chunk;
          });
        }
        child.on('close', (code) => done({ code, output }));
      }),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
