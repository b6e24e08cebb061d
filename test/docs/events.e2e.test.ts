import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService as Events } from '../../gen/events/v1/command_service_pb.js';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { eventually } from '../support/eventually.ts';
import { type Service, startService } from '../support/service.ts';
import { blocksOf } from './page-blocks.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const blocks = blocksOf(readFileSync('docs/events.md', 'utf8'));

describe('docs/events.md', () => {
  let service: Service;
  let token: string;
  let userId: string;
  beforeAll(async () => {
    service = await startService();
    token = await service.adminToken();
    userId = await signUp('ada');
  });
  afterAll(async () => {
    await service.stop();
  });

  const transport = () => createConnectTransport({ baseUrl: `http://${service.httpAddress}`, httpVersion: '1.1' });
  async function signUp(name: string): Promise<string> {
    const users = createClient(CommandService, transport());
    const { user } = await users.createUser({ email: `${name}@example.org`, name, password: 'seven green lamps hum' });
    return user?.id ?? '';
  }

  it('has commands that can be pasted', async () => {
    const lines = blocks.filter(({ kind }) => kind === 'sh').map(({ text }) => text);
    expect(lines).toHaveLength(2);
    const here = lines.join('\n').replaceAll('127.0.0.1:8080', service.httpAddress);
    const shell = spawn('bash', ['-eu', '-c', here], { env: { ...process.env, DATA_DIR: service.dataDir } });
    let output = '';
    for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (chunk) => (output += chunk));
    const [code] = await once(shell, 'close');
    expect({ code, output }).toMatchObject({ code: 0 });
    const [all, created, opened, acknowledged, again, deleted] = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    const payload = { '@type': 'type.googleapis.com/users.v1.UserCreated', name: 'ada', email: 'ada@example.org' };
    expect(all).toMatchObject({ events: [{ sequence: '1', aggregateId: userId, payload }] });
    expect(created).toMatchObject({ events: [{ json: { name: 'ada' } }] });
    expect(opened).toMatchObject({ consumer: expect.any(String) });
    expect([acknowledged, again.acknowledgedSequence, deleted]).toEqual([{ acknowledgedSequence: '1' }, '1', {}]);
  });

  it('has a program that consumes a subscription, and goes on where it was', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bicameral-consumer-'));
    for (const name of ['gen', 'node_modules']) symlinkSync(join(ROOT, name), join(folder, name));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'consume.ts'), blocks.find(({ kind }) => kind === 'ts')?.text ?? '');
    try {
      expect(await consumed(folder, [userId])).toEqual([userId]);
      const grace = await signUp('grace');
      expect(await consumed(folder, [grace])).toEqual([grace]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  /** What the program says until these are welcome and acknowledged; it is killed then. */
  async function consumed(folder: string, wanted: readonly string[]): Promise<string[]> {
    const program = spawn(process.execPath, ['consume.ts', `http://${service.httpAddress}`, token], { cwd: folder });
    let output = '';
    for (const stream of [program.stdout, program.stderr]) stream.on('data', (chunk) => (output += chunk));
    const welcome = () => [...output.matchAll(/^welcome (\S+)$/gm)].map(([, id]) => id ?? '');
    try {
      await eventually(() => expect(welcome()).toEqual(expect.arrayContaining([...wanted])));
      const events = createClient(Events, transport());
      const headers = { authorization: `Bearer ${token}` };
      const acknowledge = () => events.acknowledgeEvents({ subscription: 'welcome-letters', sequence: 0n }, { headers });
      const last = BigInt(wanted[0] === userId ? 1 : 2);
      await eventually(async () => expect((await acknowledge()).acknowledgedSequence).toBe(last));
      return welcome();
    } finally {
      program.kill('SIGKILL');
      await once(program, 'close');
    }
  }
});
