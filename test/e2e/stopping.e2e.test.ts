import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { callerWith } from '../support/callers.ts';
import { eventually } from '../support/eventually.ts';
import { somebody } from '../support/people.ts';
import { processesIn } from '../support/processes.ts';
import { FLAG, headers, PREFACE, RawConnection, settings } from '../support/raw-frames.ts';
import { startService } from '../support/service.ts';
import { type TemporaryDataDir, temporaryDataDir } from '../support/temporary-data-dir.ts';
import { connectTo } from './acknowledged-commands.ts';

let dataDir: TemporaryDataDir;
let connections: RawConnection[];
beforeEach(() => {
  dataDir = temporaryDataDir();
  connections = [];
});
afterEach(async () => {
  await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
  await dataDir[Symbol.asyncDispose]();
});

const portOf = (address: string): number => Number(address.split(':').at(-1));
const GRPC = { ':path': '/users.v1.QueryService/GetUser', 'content-type': 'application/grpc', te: 'trailers' };
const WATCH = { ...GRPC, ':path': '/grpc.health.v1.Health/Watch' };
const EMPTY = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, FLAG.endStream, 0, 0, 0, 1, 0, 0, 0, 0, 0]).fill(5, 2, 3);

/** Callers that do not go by themselves, at a port that speaks HTTP/2, and those of HTTP/1.1. */
const STUBBORN: readonly (readonly (Uint8Array | string)[])[] = [
  [],
  ['PRI * HT'],
  [PREFACE],
  [PREFACE, settings()],
  [PREFACE, settings(), headers(1, GRPC, 0)],
  [PREFACE, settings(), headers(1, GRPC)],
  [PREFACE, settings(), headers(1, WATCH), EMPTY],
];
const STUBBORN_HTTP1 = [
  'POST /users.v1.QueryService/GetUser HTTP/1.1\r\nHost: local',
  'POST /users.v1.QueryService/GetUser HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  'POST /users.v1.QueryService/GetUser HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /contracts.tar.gz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(50),
];

async function connect(address: string, ...parts: readonly (Uint8Array | string)[]): Promise<RawConnection> {
  const connection = await RawConnection.open(portOf(address));
  connections.push(connection);
  connection.send(...parts);
  return connection;
}

describe('SIGTERM', () => {
  it.each(['1', '2'])('ends the program in order whatever callers do, with %s worker(s)', async (WORKERS) => {
    // None of the limits on slow callers may help.
    const env = { WORKERS, SHUTDOWN_GRACE_SECONDS: '1', REQUEST_SECONDS: '9999', KEEPALIVE_SECONDS: '9999' };
    const service = await startService({ dataDir: dataDir.path, env });
    for (const address of [service.grpcAddress, service.httpAddress]) {
      for (const parts of STUBBORN) {
        await connect(address, ...parts);
        (await connect(address, ...parts)).socket.pause();
      }
    }
    for (const text of STUBBORN_HTTP1) {
      await connect(service.httpAddress, text);
      (await connect(service.httpAddress, text)).socket.pause();
    }
    // All of them have arrived.
    expect((await fetch(`http://${service.httpAddress}/readyz`)).status).toBe(200);
    expect(await service.stop()).toBe(0);
    expect(processesIn(realpathSync(join(dataDir.path, 'postgres')))).toEqual([]);
    expect(service.log()).not.toContain('unexpected error');
  });

  it('lets calls over HTTP/1.1 finish: every answer arrives whole, and no connection is reset', async () => {
    const service = await startService({ dataDir: dataDir.path, env: { SHUTDOWN_GRACE_SECONDS: '600' } });
    const token = await service.adminToken();
    using admin = callerWith(token, service.grpcAddress);
    const { user } = await admin.commands.createUser(somebody());
    const userId = user?.id ?? '';
    const database = await connectTo(dataDir.path);
    await database.query('begin');
    await database.query('select from users."user" where id = $1 for update', [userId]);

    const resets: string[] = [];
    const call = async (text: string): Promise<RawConnection> => {
      const caller = await connect(service.httpAddress, text);
      caller.socket.on('error', (error) => resets.push(error.message));
      return caller;
    };
    const body = JSON.stringify({ userId, name: 'In time' });
    const command = [
      'POST /users.v1.CommandService/ChangeName HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      `Authorization: Bearer ${token}`,
    ];
    const waiting = await Promise.all(Array.from({ length: 3 }, () => call(`${command.join('\r\n')}\r\n\r\n${body}`)));
    const unread = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const caller = await call('GET /contracts.tar.gz HTTP/1.1\r\nHost: localhost\r\n\r\n');
        caller.socket.pause();
        return caller;
      }),
    );
    const idle = await call('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually(() => expect(idle.text).toContain('ok'));
    const observer = await connectTo(dataDir.path);
    await eventually(async () => {
      const { rows } = await observer.query(`select from pg_stat_activity where wait_event_type = 'Lock'`);
      expect(rows).toHaveLength(waiting.length);
    });
    await observer.end();

    process.kill(service.pid, 'SIGTERM');
    await eventually(() => expect(service.log()).toContain('stopping'));
    await idle.closed;
    await database.query('rollback');
    await database.end();
    for (const { socket } of unread) socket.resume();
    await Promise.all([...waiting, ...unread].map(({ closed }) => closed));
    expect(resets).toEqual([]);
    for (const { text } of waiting) expect(text).toMatch(/^HTTP\/1\.1 200 .*connection: close.*"name":"In time".*\}$/is);
    for (const { text } of unread) expect(bodyLengths(text)).toEqual([expect.any(Number), expect.any(Number)]);
    for (const { text } of unread) expect(new Set(bodyLengths(text)).size).toBe(1);
    expect(await service.stop()).toBe(0);
  });
});

/** The length of the body that an answer announces, and the one that came. */
function bodyLengths(answer: string): number[] {
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  return [Number(/content-length: (\d+)/i.exec(head)?.[1]), rest.join('\r\n\r\n').length];
}

describe('a program that may open few files', () => {
  it('says at the start that it takes fewer connections, and has idle ones make way for those who ask', async () => {
    await using service = await startService({ dataDir: dataDir.path, openFiles: 400, env: { KEEPALIVE_SECONDS: '9999' } });
    const said = /LIMIT_CONNECTIONS is 2000, and counts as 100: the process may open 400 files.*4200/;
    await eventually(() => expect(service.log()).toMatch(said));
    // From several addresses, none of which may have all.
    for (let opened = 0; opened < 600; opened += 1) {
      const connection = await RawConnection.open(portOf(service.httpAddress), undefined, `127.0.0.${(opened % 20) + 2}`);
      // Idle: its time is long.
      connection.send(PREFACE, settings());
      connections.push(connection);
    }
    await eventually(() => expect(connections.filter(({ socket }) => !socket.destroyed).length).toBe(100));
    await eventually(async () => expect((await fetch(`http://${service.httpAddress}/readyz`)).status).toBe(200));
    expect(await service.stop()).toBe(0);
  });
});
