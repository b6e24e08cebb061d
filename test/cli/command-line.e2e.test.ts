import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { certificates } from '../support/certificates.ts';
import { run } from '../support/command-line.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
let env: Record<string, string>;
beforeAll(async () => {
  service = await startService();
  env = {
    DATA_DIR: service.dataDir,
    GRPC_ADDRESS: service.grpcAddress,
    HTTP_ADDRESS: service.httpAddress,
    METRICS_ADDRESS: service.metricsAddress,
  };
});
afterAll(() => service.stop());

describe('npx bicameral', () => {
  it('says what it can do, and each subcommand what it takes', async () => {
    const help = execFileSync('npx', ['bicameral', '--help'], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } });
    for (const name of ['serve', 'migrate', 'token', 'status', 'top']) expect(help).toContain(`  ${name} `);
    for (const name of ['serve', 'migrate', 'token', 'status']) {
      const { code, stdout } = await run([name, '--help']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^Usage: bicameral /);
    }
  });

  it('says what is wrong with a command line', async () => {
    const { code, stderr } = await run(['dance']);
    expect(code).not.toBe(0);
    expect(stderr).toContain("unknown command 'dance'");
  });
});

describe('token', () => {
  it('prints a token with the roles asked for, and nothing else', async () => {
    const { code, stdout } = await run(['token', '--role', 'auditor', 'operator', '--subject', 'me'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\S+\n$/);
    expect(decodeJwt(stdout.trim())).toMatchObject({ sub: 'me', roles: ['auditor', 'operator'], iss: 'bicameral' });
  });

  it('prints JSON for programs', async () => {
    const { token, expiresAt } = JSON.parse((await run(['token', '--json'], env)).stdout);
    expect(decodeJwt(token)).toMatchObject({ sub: 'operator', roles: [] });
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
  });

  it('prints one that is good for as long as is asked for, and no longer than 12 hours', async () => {
    const lifetime = async (...options: string[]) => {
      const { exp = 0, iat = 0 } = decodeJwt((await run(['token', ...options], env)).stdout.trim());
      return exp - iat;
    };
    expect(await lifetime()).toBe(15 * 60);
    expect(await lifetime('--ttl', '12h')).toBe(12 * 3600);
    const { code, stderr } = await run(['token', '--ttl', '13h'], env);
    expect(code).toBe(1);
    expect(stderr).toContain('--ttl cannot be "13h": give a time like 90s, 15m or 2h, at most 12h.');
  });

  it('refuses a role that does not exist, and names those that do', async () => {
    const { code, stderr } = await run(['token', '--role', 'emperor'], env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/emperor.*admin, auditor, operator/s);
  });

  it('says where a key would have to be when there is none', async () => {
    const { code, stderr } = await run(['token'], { DATA_DIR: join(tmpdir(), 'nowhere-at-all') });
    expect(code).toBe(1);
    expect(stderr).toContain('nowhere-at-all');
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

describe('status', () => {
  it('shows what is wrong first, then processors, instances, databases and services, aligned', async () => {
    const { code, stdout } = await run(['status'], env);
    expect(stdout).toMatch(/^Nothing is wrong\.\n\n/);
    expect(stdout).toMatch(
      /^PROCESSOR +KIND +STATE +CHECKPOINT +BEHIND +OLDEST +PARKED +INSTANCE\nuser_statistics +projection +running /m,
    );
    expect(stdout).toMatch(/^INSTANCE +VERSION +STARTED +SEEN +PROCESSORS\n\d+ on \S+ +\d+\.\d+\.\d+ /m);
    expect(stdout).toMatch(/^database +primary +up$/m);
    expect(stdout).toMatch(/^database +replica-1 +up, \S+ \S+ and \S+ \S+ behind$/m);
    expect(stdout).toMatch(/^service +server +serving$/m);
    expect(stdout).toMatch(/^service +operations\.v1\.QueryService +serving$/m);
    expect(stdout).not.toContain('\x1b');
    expect(code).toBe(0);
  });

  it('prints JSON for programs', async () => {
    expect(JSON.parse((await run(['status', '--json'], env)).stdout)).toMatchObject({
      services: { server: 'SERVING' },
      databases: { primary: true, 'replica-1': true },
      problems: [],
      operations: { processors: expect.anything(), sequencer: expect.anything() },
    });
  });

  it('says that nothing answers, and where it asked', async () => {
    const { code, stderr } = await run(['status'], { ...env, GRPC_ADDRESS: '127.0.0.1:1' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/127\.0\.0\.1:1 \(GRPC_ADDRESS\).*ECONNREFUSED 127\.0\.0\.1:1\.?\n$/);
  });
});

describe('top', () => {
  it('prints what the service does, where there is no terminal, once', async () => {
    const { code, stdout } = await run(['top'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^bicameral \d+\.\d+\.\d+ +1 process at 127\.0\.0\.1:\d+/);
    expect(stdout).toMatch(/replica-1 up +queries/);
    expect(stdout).not.toContain('\x1b');
  });

  it('prints JSON for programs', async () => {
    const view = JSON.parse((await run(['top', '--json'], env)).stdout);
    expect(view).toMatchObject({ processes: 1, inFlight: { commands: { now: 0, limit: 128 } } });
    expect(view.databases).toMatchObject([
      { name: 'primary', isUp: true },
      { name: 'replica-1', isUp: true, lagBytes: expect.any(Number) },
    ]);
  });

  it('says that nothing answers, and where it asked', async () => {
    const { code, stderr } = await run(['top'], { ...env, METRICS_ADDRESS: '127.0.0.1:1' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/No metrics at http:\/\/127\.0\.0\.1:1\/metrics: .*METRICS_ADDRESS/);
    expect((await run(['top'], { ...env, METRICS_ADDRESS: 'off' })).stderr).toContain('METRICS_ADDRESS is off');
  });
});

describe('a service with mutual TLS', () => {
  it('is reached by who has a certificate of the CA, and by nobody else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bicameral-tls-'));
    const { ca, server, client, stranger } = await certificates();
    const files = {
      'ca.pem': ca,
      'cert.pem': server.cert,
      'key.pem': server.key,
      'client.pem': client.cert,
      'client-key.pem': client.key,
      'stranger.pem': stranger.cert,
      'stranger-key.pem': stranger.key,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const file = (name: keyof typeof files): string => join(folder, name);
    const tls = { TLS_CERT_FILE: file('cert.pem'), TLS_KEY_FILE: file('key.pem'), TLS_CLIENT_CA_FILE: file('ca.pem') };
    await using secure = await startService({ env: { ...tls, HEALTH_ADDRESS: '127.0.0.1:0' } });
    const [, probed = ''] = /^ *health +(http:\S+)/m.exec(secure.terminal()) ?? [];
    expect((await fetch(probed)).status).toBe(200);
    const addresses = { ...tls, DATA_DIR: secure.dataDir, GRPC_ADDRESS: secure.grpcAddress, HTTP_ADDRESS: secure.httpAddress };
    const ask = (cert: keyof typeof files, key: keyof typeof files) =>
      run(['status', '--ca', file('ca.pem'), '--cert', file(cert), '--key', file(key)], addresses);
    const told = await ask('client.pem', 'client-key.pem');
    expect(told.stderr).toBe('');
    expect(told).toMatchObject({ code: 0, stdout: expect.stringMatching(/replica-1 +up/) });
    expect(await ask('stranger.pem', 'stranger-key.pem')).toMatchObject({ code: 1 });
    await rm(folder, { recursive: true });
  });
});
