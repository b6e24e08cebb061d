import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { processesIn } from '../support/processes.ts';
import { copyProject, type ProjectCopy } from '../support/project-copy.ts';

const HANDLER = 'src/modules/users/commands/to-user.ts';
const CONTRACT = 'proto/users/v1/query_service.proto';
const LOG_OUT = 'src/modules/users/commands/log-out.ts';

let copy: ProjectCopy;
let dev: ChildProcess;
let said = '';
const servers = (): number[] => processesIn(realpathSync(join(copy.root, '.data/postgres')));

beforeAll(async () => {
  copy = copyProject();
  const addresses = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0', METRICS_ADDRESS: 'off' };
  const env = { ...process.env, NODE_OPTIONS: '', DATA_DIR: '.data', ...addresses };
  dev = spawn('npm', ['run', 'dev'], { cwd: copy.root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  dev.stdout?.resume();
  dev.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  await eventually(() => expect(said).toContain('--list-services'));
});
afterAll(async () => {
  dev.kill('SIGKILL');
  await eventually(() => expect(servers()).toEqual([]));
  copy.remove();
});

/** Changes a file, and resolves with what is said from then on, as soon as that holds the text. */
async function saidAfter(change: () => void, text: string): Promise<string> {
  const before = said.length;
  change();
  await eventually(() => expect(said.slice(before)).toContain(text));
  return said.slice(before);
}

function edit(file: string, from: string, to: string): () => void {
  const path = join(copy.root, file);
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(from);
  return () => writeFileSync(path, text.replace(from, to));
}

describe('npm run dev', () => {
  it('starts the service again with what changed, and leaves the database running', async () => {
    const before = servers();
    expect(before.length).toBeGreaterThan(1);
    const restarted = await saidAfter(edit(HANDLER, '/**', '// Changed.\n/**'), 'serving again');
    expect(restarted).toMatch(/… serving again, \d+\.\d s after src\/modules\/users\/commands\/to-user\.ts changed/);
    expect(servers()).toEqual(expect.arrayContaining(before.slice(0, 1)));
  });

  it('says what does not compile as the compiler does, and serves as soon as it is mended', async () => {
    const broken = await saidAfter(edit(HANDLER, '// Changed.', 'const none: number = 1;;const = ;'), 'not serving');
    expect(broken).toMatch(/src\/modules\/users\/commands\/to-user\.ts\(\d+,\d+\): error TS\d+/);
    expect(broken).not.toMatch(/^\s+at /m);
    await saidAfter(edit(HANDLER, 'const none: number = 1;;const = ;', '// Mended.'), 'serving again');
  });

  it('says what type is wrong where the service runs all the same', async () => {
    const wrong = await saidAfter(edit(HANDLER, '// Mended.', "const none: number = 'none';"), 'error TS2322');
    expect(wrong).toContain('serving again');
    await saidAfter(edit(HANDLER, "const none: number = 'none';", '// Mended.'), 'serving again');
  });

  it('names the handler that is missing', async () => {
    const aside = join(copy.root, 'log-out.ts');
    const missing = await saidAfter(() => renameSync(join(copy.root, LOG_OUT), aside), 'not serving');
    expect(missing).toContain('log-out.ts');
    expect(missing).not.toMatch(/^\s+at /m);
    await saidAfter(() => renameSync(aside, join(copy.root, LOG_OUT)), 'serving again');
  });

  it('goes on with the contract of before when the new one is wrong, and says where it is', async () => {
    const wrong = await saidAfter(edit(CONTRACT, 'message GetUserRequest', 'mesage GetUserRequest'), 'what ran before goes on');
    expect(wrong).toMatch(/^proto\/users\/v1\/query_service\.proto:\d+:\d+:/m);
    expect(wrong).not.toMatch(/^\s+at /m);
  });

  it('generates from a contract that is right again, and serves it', async () => {
    await saidAfter(edit(CONTRACT, 'mesage GetUserRequest', '// Changed.\nmessage GetUserRequest'), 'serving again');
  });

  it('ends at Ctrl-C with everything that it started', async () => {
    const closed = once(dev, 'close');
    dev.kill('SIGINT');
    expect(await closed).toEqual([0, null]);
    expect(servers()).toEqual([]);
  });
});
