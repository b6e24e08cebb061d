import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PATIENCE } from '../support/patience.ts';
import { copyProject } from '../support/project-copy.ts';
import { apply, blocksOf, type PageBlock } from './page-blocks.ts';

/** How long a page may take that installs, generates, tests and checks a service. */
const LONGEST = 20 * PATIENCE;

const blocks = blocksOf(readFileSync('docs/tutorial.md', 'utf8'));
const start = blocks.findIndex(({ kind, text }) => kind === '' && text === 'npm start\n');

/** The tutorial, and the guides that go on from where it ends. */
describe('docs/tutorial.md', () => {
  let folder: string;
  let shop: string;
  let environment: NodeJS.ProcessEnv;
  let service: ChildProcess | undefined;
  let addresses: Readonly<Record<string, string>> = {};

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bicameral-tutorial-'));
    // PostgreSQL runs as another user when the tests run as root.
    chmodSync(folder, 0o755);
    shop = join(folder, 'shop');
    const copy = copyProject();
    try {
      expect(await copy.run(`npm pack --silent --pack-destination ${folder}`)).toMatchObject({ code: 0 });
    } finally {
      copy.remove();
    }
    // Nothing of the project: not its flags, and none of its programs. What npm has fetched before, it need not fetch again.
    const path = (process.env.PATH ?? '').split(':').filter((entry) => !entry.includes('node_modules'));
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'));
    environment = { ...Object.fromEntries(others), NODE_OPTIONS: '', PATH: path.join(':'), npm_config_prefer_offline: 'true' };
  });

  afterAll(async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs blocks as one person does at one terminal, and returns what each of them printed. */
  async function paste(pasted: readonly PageBlock[], cwd: string): Promise<string[]> {
    const here = ({ text }: PageBlock): string =>
      text.replaceAll('127.0.0.1:8080', addresses.HTTP_ADDRESS ?? '').replaceAll('./bicameral-0.1.0.tgz', `./${tarball()}`);
    const script = pasted.map((block) => `${here(block)}printf '\\f'\n`).join('');
    const shell = spawn('bash', ['-eu', '-o', 'pipefail', '-c', script], { cwd, env: { ...environment, ...addresses } });
    let output = '';
    for (const stream of [shell.stdout, shell.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    const [code] = await once(shell, 'close');
    if (code !== 0) throw new Error(`exit code ${code}: ${output}`);
    return output.split('\f');
  }

  const tarball = (): string => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    return `bicameral-${version}.tgz`;
  };

  /** Does what a page says, in order; returns what its last command printed. */
  async function follow(page: readonly PageBlock[], begin: string, root = shop): Promise<string> {
    let output = '';
    let cwd = begin;
    for (const block of page) {
      if (block.path !== '') apply(block, root);
      else if (block.kind === 'sh') output = (await paste([block], cwd)).join('');
      else throw new Error(`a block that nobody follows: ${block.text}`);
      if (block.text.includes('\ncd shop\n')) cwd = shop;
    }
    return output;
  }

  /** Starts the service as the page says, at any ports. */
  async function serve(cwd: string): Promise<void> {
    const ports = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0', METRICS_ADDRESS: '127.0.0.1:0' };
    const program = spawn('npm', ['start'], { cwd, env: { ...environment, ...ports }, stdio: ['ignore', 'ignore', 'pipe'] });
    service = program;
    let welcome = '';
    await new Promise<void>((resolve, reject) => {
      program.stderr.on('data', (chunk) => {
        welcome += chunk;
        if (welcome.includes('--list-services')) resolve();
      });
      program.on('close', () => reject(new Error(welcome)));
    });
    const [, grpc = ''] = /gRPC +(\S+)/.exec(welcome) ?? [];
    const [, http = ''] = /Connect +http:\/\/(\S+)/.exec(welcome) ?? [];
    addresses = { GRPC_ADDRESS: grpc, HTTP_ADDRESS: http };
  }

  async function stop(): Promise<void> {
    if (!service || service.exitCode !== null) return;
    const ended = once(service, 'close');
    service.kill('SIGTERM');
    await ended;
  }

  /** The shop as the tutorial leaves it, without what it has stored. */
  function copyOfShop(): string {
    const copy = join(folder, 'copy');
    mkdirSync(copy);
    execFileSync('bash', [
      '-euc',
      'tar -C "$1" --exclude=./.data --exclude=./node_modules -cf - . | tar -C "$2" -xf -',
      '-',
      shop,
      copy,
    ]);
    execFileSync('cp', ['-al', join(shop, 'node_modules'), copy]);
    return copy;
  }

  it(
    'makes a service that passes its tests and checks',
    async () => {
      const output = await follow(blocks.slice(0, start), folder);
      expect(output).toMatch(/^ℹ fail 0$/m);
      expect(output).toContain('refuses a product that the order has already');
      expect(output).toContain('returns the orders that have the product, and no others');
    },
    LONGEST,
  );

  it('serves, refuses what it says, and tells what happened', async () => {
    await serve(shop);
    const [served = '', refused = '', told = '', ...others] = await paste(blocks.slice(start + 1), shop);
    expect(others).toEqual(['']);
    const [line, list] = jsonIn(served);
    const order = { name: 'For Ada', version: '2', lines: [{ quantity: 2 }] };
    expect(line).toMatchObject({ order });
    expect(list).toMatchObject({ orders: [order] });
    const [already, tooFew] = jsonIn(refused);
    expect(already).toMatchObject({ code: 'already_exists' });
    expect(JSON.stringify(already)).toContain('PRODUCT_ALREADY_ORDERED');
    expect(tooFew).toMatchObject({ code: 'invalid_argument' });
    expect(told).toMatch(/rejected +ALREADY_EXISTS +orders\.v1\.CommandService\/AddLine/);
    expect(told).toContain('"type":"orders.v1.OrderLineAdded"');
    expect(told).toContain('The log is whole: 5 records');
  });

  it(
    'leads to an order that nobody pays, as docs/unpaid-orders.md says',
    async () => {
      const copy = copyOfShop();
      const page = blocksOf(readFileSync('docs/unpaid-orders.md', 'utf8'));
      const seen = page.findIndex(({ text }) => text.startsWith('TOKEN='));
      const output = await follow(page.slice(0, seen), copy, copy);
      expect(output).toMatch(/^ℹ fail 0$/m);
      expect(output).toContain('an order that is not paid in 15 minutes');
      expect(output).toContain('is cancelled, and its stock comes back');

      await stop();
      await serve(copy);
      const [ordered = '', waits, paid = ''] = await paste(page.slice(seen), copy);
      expect(jsonIn(ordered).at(-1)).toMatchObject({ order: { status: 'ORDER_STATUS_OPEN', lines: [{ quantity: 2 }] } });
      expect(waits).toMatch(/ order_payment .* unpaid .*orders\.v1\.CommandService\/CancelOrder .* waiting /);
      expect(jsonIn(paid)).toMatchObject([{ order: { status: 'ORDER_STATUS_PAID' } }, { product: { stock: '3' } }]);
      expect(paid).toMatch(/products\.v1\.CommandService\/TakeStock/);
    },
    LONGEST,
  );

  it('leads to a column more, as docs/guides/column.md says', async () => {
    await follow(blocksOf(readFileSync('docs/guides/column.md', 'utf8')), shop);
  });

  it('leads to a command beside an old writer, as docs/from-crud.md says', async () => {
    const output = await follow(blocksOf(readFileSync('docs/from-crud.md', 'utf8')), shop);
    expect(output).toMatch(/^ℹ fail 0$/m);
    expect(output).toContain('loses nothing of what the old application writes at the same time');
  });
});

const jsonIn = (output: string): unknown[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
