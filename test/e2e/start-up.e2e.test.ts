import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { run } from '../support/command-line.ts';
import { processesIn } from '../support/processes.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

const FREE = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0' };

describe('a start that cannot succeed', () => {
  const dataDir = temporaryDataDir();
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(async () => {
    await service.stop();
    await dataDir[Symbol.asyncDispose]();
  });

  it('on the data of a running service names the directory and who has it, and leaves that one alone', async () => {
    const { code, stderr } = await run(['serve'], { ...FREE, DATA_DIR: service.dataDir });
    expect(code).toBe(1);
    expect(stderr).toContain(service.dataDir);
    expect(stderr).toContain(String(service.pid));
    const ready = await fetch(`http://${service.httpAddress}/readyz`);
    expect(ready.status).toBe(200);
  });

  it.each([
    ['GRPC_ADDRESS', () => service.grpcAddress],
    ['HTTP_ADDRESS', () => service.httpAddress],
  ])('on an address that is taken names %s, before anything is made', async (variable, address) => {
    const { code, stderr } = await run(['serve'], { ...FREE, DATA_DIR: dataDir.path, [variable]: address() });
    expect(code).toBe(1);
    expect(stderr).toContain(`${variable}: address in use: ${address()}`);
    expect(stderr).not.toMatch(/^ +at /m);
    // It was noticed before anything was made.
    expect(existsSync(dataDir.path)).toBe(false);
  });

  it('with a bad configuration names all of it, before anything is started', async () => {
    const { code, stderr } = await run(['serve'], {
      DATA_DIR: dataDir.path,
      GRPC_ADDRESS: 'nowhere',
      LOG_LEVEL: 'loud',
      TLS_KEY_FILE: 'k',
    });
    expect(code).toBe(1);
    for (const variable of ['GRPC_ADDRESS', 'LOG_LEVEL', 'TLS_CERT_FILE']) expect(stderr).toContain(variable);
  });

  it("refuses another issuer of the service's own name, before anything is started", async () => {
    const foreign = { AUTH_ISSUER: 'bicameral', AUTH_AUDIENCE: 'users', AUTH_JWKS_URL: 'https://issuer.example/jwks' };
    const { code, stderr } = await run(['serve'], { ...FREE, DATA_DIR: dataDir.path, ...foreign });
    expect(code).toBe(1);
    expect(stderr).toContain('AUTH_ISSUER cannot be bicameral: that is this service itself');
    expect(existsSync(dataDir.path)).toBe(false);
  });

  it('without the database names where it was looked for, and repeats no password', async () => {
    const closed = createServer();
    await new Promise<void>((listening) => closed.listen(0, '127.0.0.1', listening));
    const address = closed.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await new Promise((done) => closed.close(done));
    await mkdir(dataDir.path, { recursive: true });
    await writeFile(`${dataDir.path}/key.pem`, '');
    const { code, stderr } = await run(['serve'], {
      ...FREE,
      DATABASE_URL: `postgresql://app:hunter2@127.0.0.1:${port}/app`,
      AUTH_SIGNING_KEY_FILE: `${dataDir.path}/key.pem`,
    });
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).toContain('DATABASE_URL');
    expect(stderr).not.toContain('hunter2');
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('has warned by then of clear text that other machines would reach', async () => {
    const env = {
      ...FREE,
      GRPC_ADDRESS: '0.0.0.0:0',
      DATABASE_URL: 'postgresql://app@127.0.0.1:1/app',
      AUTH_SIGNING_KEYS: dataDir.path,
    };
    const { stdout } = await run(['serve'], env);
    expect(stdout).toMatch(/"level":"warn".*"msg":"GRPC_ADDRESS can be reached from other machines in clear text/);
  });

  it('with files for TLS that are missing names the variable', async () => {
    const env = { ...FREE, DATA_DIR: dataDir.path, TLS_CERT_FILE: '/nowhere/cert.pem', TLS_KEY_FILE: '/nowhere/key.pem' };
    const { code, stderr } = await run(['serve'], env);
    expect(code).toBe(1);
    expect(stderr).toContain('TLS_CERT_FILE cannot be read');
  });
});

describe('a signal during the start', () => {
  it('ends the program in order, and leaves no PostgreSQL running', async () => {
    await using dataDir = temporaryDataDir();
    const main = resolve(import.meta.dirname, '../../src/main.ts');
    const env = { ...process.env, NODE_OPTIONS: '', ...FREE, DATA_DIR: dataDir.path };
    const program = spawn(process.execPath, [main, 'serve'], { env });
    program.stdout.resume();
    let terminal = '';
    while (!terminal.includes('starting the primary')) terminal += await once(program.stderr, 'data');
    program.kill('SIGTERM');
    program.stderr.resume();
    expect(await once(program, 'close')).toEqual([0, null]);
    expect(processesIn(realpathSync(join(dataDir.path, 'postgres')))).toEqual([]);
  });
});
