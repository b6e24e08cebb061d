import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import type { Connection } from '../../src/kernel/database/connection.ts';
import { eventually } from '../support/eventually.ts';
import { PASSWORD } from '../support/people.ts';
import { startService } from '../support/service.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';
import { createWorkshop } from './contracts.ts';
import { linkPackages } from './link-packages.ts';
import { pageCode, TOLD } from './page-code.ts';
import { ROOT, run } from './tool.ts';

describe('docs/clients/typescript.md', () => {
  it('compiles, tells the story, and keeps a list that stays current over a broken connection', async () => {
    await using resources = new AsyncDisposableStack();
    const { folder } = resources.use(createWorkshop());
    const service = resources.use(await startService());
    resources.use(await linkPackages(folder));
    writeFileSync(join(folder, 'buf.gen.yaml'), pageCode('typescript.md', 'yaml'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'story.ts'), pageCode('typescript.md', 'ts'));
    writeFileSync(join(folder, 'live.ts'), pageCode('typescript.md', 'ts', 'live.ts'));
    const bin = join(ROOT, 'node_modules/.bin');
    const path = { PATH: `${bin}:${process.env.PATH}` };
    await run(join(bin, 'buf'), ['generate'], { cwd: folder, env: path });
    const strict = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'esnext', '--module', 'nodenext', '--types', 'node'];
    await run(join(bin, 'tsc'), [...strict, 'story.ts', 'live.ts'], { cwd: folder });
    expect(await run(process.execPath, ['story.ts', `http://${service.httpAddress}`], { cwd: folder })).toBe(TOLD);

    const [host = '', port] = service.httpAddress.split(':');
    const proxy = resources.use(await startStallingProxy({ host, port: Number(port) } as Connection));
    const baseUrl = `http://127.0.0.1:${proxy.through({} as Connection).port}`;
    const live = spawn(process.execPath, ['live.ts', baseUrl, await service.adminToken()], { cwd: folder });
    resources.defer(() => void live.kill());
    let lists = '';
    for (const stream of [live.stdout, live.stderr]) stream.on('data', (chunk) => (lists += chunk));
    const transport = createConnectTransport({ baseUrl: `http://${service.httpAddress}`, httpVersion: '1.1' });
    const signUp = (name: string) =>
      createClient(CommandService, transport).createUser({ email: `${name}@example.org`, name, password: PASSWORD });
    await eventually(() => expect(lists).toContain('Countess Ada Lovelace\n'));
    await signUp('Bob');
    await eventually(() => expect(lists).toContain('Countess Ada Lovelace, Bob\n'));
    proxy.disconnect();
    await signUp('Carol');
    await eventually(() => expect(lists).toContain('Countess Ada Lovelace, Bob, Carol\n'));
  });
});
