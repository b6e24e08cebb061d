import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadOrCreateSigningKey } from '../../../src/kernel/auth/key-files.ts';
import type { Door } from '../../../src/kernel/doors/door.ts';
import { createGrpcDoor } from '../../../src/kernel/doors/grpc/door.ts';
import { type AuditQueries, startAuditQueries } from '../../modules/audit/audit-queries.ts';
import { run } from '../../support/command-line.ts';
import { addRecord, idAt, sealRecords } from '../../support/command-records.ts';

const MAIN = resolve(import.meta.dirname, '../../../src/main.ts');
const TARGET = '019ab3a0-0000-7000-8000-00000000000a';
const ADA_AT = Date.parse('2026-12-02T10:30:00.123Z');
const CHAIN = idAt(ADA_AT);

let audit: AuditQueries;
let door: Door;
let folder: string;
let env: Record<string, string>;
const ids: string[] = [];
beforeAll(async () => {
  audit = await startAuditQueries();
  folder = await mkdtemp(join(tmpdir(), 'bicameral-log-'));
  const keyFile = join(folder, 'signing-key.pem');
  await loadOrCreateSigningKey(keyFile);
  door = openDoor();
  const port = await door.listen('127.0.0.1:0');
  env = { GRPC_ADDRESS: `127.0.0.1:${port}`, AUTH_SIGNING_KEY_FILE: keyFile };
  const common = { method: 'users.v1.CommandService/ChangeName', durationUs: 12_345 };
  for (let n = 0; n < 250; n += 1) {
    ids.push(await addRecord(audit.database, { ...common, receivedAt: Date.parse('2026-12-01') + n, principal: 'many' }));
  }
  ids.push(
    await addRecord(audit.database, {
      ...common,
      commandId: CHAIN,
      receivedAt: ADA_AT,
      principal: 'ada',
      aggregateId: TARGET,
      outcome: 'timed_out',
      code: 'DEADLINE_EXCEEDED',
      dryRun: true,
    }),
  );
  ids.push(
    await addRecord(audit.database, {
      ...common,
      receivedAt: '2026-12-03',
      principal: '',
      outcome: 'denied',
      code: 'PERMISSION_DENIED',
      correlationId: CHAIN,
    }),
  );
  await sealRecords(audit.database);
});
afterAll(async () => {
  await door.close({ graceMs: 0 });
  await audit.stop();
  await rm(folder, { recursive: true });
});

function openDoor(): Door {
  const unexpected = { newId: () => 'unexpected', report: ({ error }: { error: unknown }) => console.error(error) };
  return createGrpcDoor({ bus: audit.bus, unexpected });
}

describe('bicameral audit list', () => {
  it('prints the newest records first, aligned, under headings', async () => {
    const { code, stdout, stderr } = await run(['audit', 'list', '--from', '2026-12-02'], env);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const [anonymous, ada] = [ids[251] ?? '', ids[250] ?? ''];
    const method = 'users.v1.CommandService/ChangeName';
    expect(stdout).toBe(
      [
        `TIME                      OUTCOME              CODE               METHOD                              PRINCIPAL  TARGET                                DURATION  ID`,
        `2026-12-03T00:00:00.000Z  denied               PERMISSION_DENIED  ${method}  -          -                                     12.3 ms   ${anonymous}`,
        `2026-12-02T10:30:00.123Z  timed-out (dry run)  DEADLINE_EXCEEDED  ${method}  ada        ${TARGET}  12.3 ms   ${ada}`,
        '',
      ].join('\n'),
    );
  });

  it('prints one record a line as JSON, over as many pages as it takes, up to the limit', async () => {
    const records = async (...options: string[]) => {
      const { stdout } = await run(['audit', 'list', '--json', ...options], env);
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).commandId);
    };
    expect(await records('--limit', '1000')).toEqual(ids.toReversed());
    expect(await records('--limit', '201', '--actor', 'many')).toEqual(ids.slice(0, 250).toReversed().slice(0, 201));
    expect(await records()).toHaveLength(50);
  });

  it.each([
    [['--actor', 'ada'], 1],
    [['--method', 'users.v1.CommandService/LogIn'], 0],
    [['--target', TARGET], 1],
    [['--outcome', 'timed-out'], 1],
    [['--correlation', CHAIN], 2],
    [['--correlation', CHAIN, '--actor', 'ada'], 1],
    [['--outcome', 'denied', '--to', '2026-12-03'], 0],
    [['--from', '2026-12-01T00:00:00.001Z', '--to', '2026-12-01T01:00:00.004+01:00'], 3],
  ])('takes %j for a filter', async (filter, count) => {
    const { stdout, stderr } = await run(['audit', 'list', '--json', ...filter], env);
    expect(stderr).toBe('');
    expect(stdout.split('\n').filter(Boolean)).toHaveLength(count);
  });

  it.each([
    [['--outcome', 'great'], /--outcome cannot be "great": give one of succeeded, .*timed-out/],
    [['--limit', '0'], /--limit cannot be "0"/],
    [['--from', 'yesterday'], /--from cannot be "yesterday"/],
    [['--target', 'me'], /target/],
    [['--correlation', 'me'], /correlation_id/],
  ])('says what is wrong with %j', async (options, words) => {
    const { code, stdout, stderr } = await run(['audit', 'list', ...options], env);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('ends without a word when its reader has seen enough', async () => {
    const child = program(['audit', 'list', '--json', '--limit', '1000']);
    await once(child.stdout, 'readable');
    child.stdout.destroy();
    expect(await ended(child)).toEqual({ code: 0, stderr: '' });
  });
});

describe('bicameral audit watch', () => {
  it('prints records behind a place, and then what comes, in the order of the log', async () => {
    const child = program(['audit', 'watch', '--after', '250', '--json']);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? '').sequence;
    expect([await next(), await next()]).toEqual(['251', '252']);
    await addRecord(audit.database);
    await sealRecords(audit.database);
    expect(await next()).toBe('253');
    child.kill();
    await ended(child);
  });

  it('goes on where it was when the service comes back', async () => {
    const child = program(['audit', 'watch', '--after', '252', '--json']);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? '').sequence;
    expect(await next()).toBe('253');
    await door.close({ graceMs: 0 });
    await addRecord(audit.database);
    await sealRecords(audit.database);
    door = openDoor();
    await door.listen(env.GRPC_ADDRESS ?? '');
    expect(await next()).toBe('254');
    child.kill();
    expect((await ended(child)).stderr).toContain('going on behind 253');
  });

  it('goes on when its connection breaks', async () => {
    await using way = await wayTo(env.GRPC_ADDRESS ?? '');
    const child = program(['audit', 'watch', '--after', '253', '--json'], { GRPC_ADDRESS: way.address });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? '').sequence;
    expect(await next()).toBe('254');
    way.break();
    await addRecord(audit.database);
    await sealRecords(audit.database);
    const fifth = await next().catch(() => ended(child));
    child.kill();
    expect(fifth).toBe('255');
  });

  it('says so when there is no service to begin with, and what is wrong with a place', async () => {
    const away = await run(['audit', 'watch', '--json'], { ...env, GRPC_ADDRESS: '127.0.0.1:1' });
    expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining('127.0.0.1:1 (GRPC_ADDRESS)') });
    const wrong = await run(['audit', 'watch', '--after', 'here'], env);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('--after cannot be "here"') });
  });
});

type Child = ChildProcessByStdio<null, Readable, Readable>;

function program(command: readonly string[], others: Record<string, string> = {}): Child {
  const environment = { ...process.env, NODE_OPTIONS: '', ...env, ...others };
  return spawn(process.execPath, [MAIN, ...command], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Another address of a server, whose connections can be broken. */
async function wayTo(address: string): Promise<{ address: string; break: () => void } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const onward = connect(Number(address.split(':')[1]), '127.0.0.1');
    for (const end of [socket, onward]) sockets.add(end.on('error', () => {}));
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    break: breakAll,
    [Symbol.asyncDispose]: async () => {
      breakAll();
      server.close();
    },
  };
}

async function ended(child: Child): Promise<{ code: number | null; stderr: string }> {
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return { code: child.exitCode, stderr };
}
