import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { copyProject, type ProjectCopy } from '../../support/project-copy.ts';

let copy: ProjectCopy;
/** An empty folder, as somebody has it who begins. */
let folder: string;
beforeAll(async () => {
  copy = copyProject();
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'bicameral-service-')));
  // PostgreSQL runs as another user when the tests run as root.
  chmodSync(folder, 0o755);
  const packed = await copy.run(`npm pack --silent --pack-destination ${folder}`);
  if (packed.code !== 0) throw new Error(packed.output);
});
afterAll(() => {
  copy.remove();
  rmSync(folder, { recursive: true, force: true });
});

const run = (command: string, cwd: string): Promise<{ code: number | null; output: string }> =>
  copy.run(`cd ${cwd} && ${command}`, {
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_loglevel: 'error',
    npm_config_prefer_offline: 'true',
    NODE_OPTIONS: '',
  });
const inService = (command: string): ReturnType<typeof run> => run(command, join(folder, 'shop'));

describe('npx bicameral new service', () => {
  it('writes a service, from the package alone', async () => {
    const { code, output } = await run('npx --yes ./bicameral-*.tgz new service shop', folder);
    expect(output).toContain('cd shop && npm install && npm start');
    expect(code).toBe(0);
    const again = await run('npx --yes ./bicameral-*.tgz new service shop', folder);
    expect(again.output).toContain('shop/ is there already, and nothing was written');
    expect(again.code).toBe(1);
  });

  it('has it installed with its contracts generated', async () => {
    expect(await inService('npm install')).toMatchObject({ code: 0 });
  });

  it.each([
    'module orders',
    'module order-history --aggregate Entry',
    'aggregate orders PurchaseInvoice',
    'command orders CancelOrder',
    'query orders ListOpenOrders',
    'query products GetProductSummary',
    'event orders Order OrderShipped',
    'projection orders OrderTotals',
    'migration orders add-notes',
  ])('writes into it: new %s', async (command) => {
    const { code, output } = await inService(`npx bicameral new ${command}`);
    expect(output).toContain('Next:\n  - ');
    expect(output).not.toContain('no place found');
    expect(code).toBe(0);
  });

  it('writes what passes every check and its own tests, unchanged', async () => {
    expect(await inService('npm run check')).toMatchObject({ code: 0 });
    const tested = await inService('npm test');
    expect(tested).toMatchObject({ code: 0, output: expect.stringContaining('ℹ fail 0') });
    expect(tested.output).toContain('cancelOrder');
    expect(tested.output).toContain('read.order_totals');
  });

  it('has the program of the package be that of the service', async () => {
    const { code, output } = await inService('npx bicameral pipeline orders.v1.CommandService/CancelOrder');
    expect(output).toContain('authorization\n');
    expect(code).toBe(0);
    const migrated = await inService('DATABASE_URL=nonsense npx bicameral migrate');
    expect(migrated.output).toContain('DATABASE_URL');
    expect((await inService('npx bicameral --help')).output).toContain('Usage: shop ');
  });

  it('writes what serves', async () => {
    const addresses = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0', METRICS_ADDRESS: '127.0.0.1:0' };
    const env = { ...process.env, ...addresses, NODE_OPTIONS: '' };
    const service = spawn('npm', ['start'], { cwd: join(folder, 'shop'), env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [service.stdout, service.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    const closed = once(service, 'close');
    try {
      await eventually(() => expect(output).toContain('--list-services'));
      const [, http] = /Connect +(http:\S+)/.exec(output) ?? [];
      const { output: token } = await inService('npx bicameral token --role admin');
      const call = async (rpc: string, body: object): Promise<unknown> => {
        const headers = { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/json' };
        const response = await fetch(`${http}/${rpc}`, { method: 'POST', headers, body: JSON.stringify(body) });
        return await response.json();
      };
      const made = await call('orders.v1.CommandService/CreateOrder', { name: 'A hundred nails' });
      expect(made).toMatchObject({ order: { name: 'A hundred nails', version: '1' } });
      const { id } = (made as { order: { id: string } }).order;
      expect(await call('orders.v1.CommandService/CancelOrder', { orderId: id })).toMatchObject({ order: { version: '2' } });
    } finally {
      service.kill();
      await closed;
    }
  });
});
