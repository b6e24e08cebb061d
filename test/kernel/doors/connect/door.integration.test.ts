import { once } from 'node:events';
import { Agent, request as requestHttp } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, type ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { AddressInUse, AddressInvalid } from '../../../../src/kernel/doors/address.ts';
import { type ConnectDoorOptions, createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import type { Door } from '../../../../src/kernel/doors/door.ts';
import { ServerTls } from '../../../../src/kernel/doors/tls/server-tls.ts';
import { CommandService, CountRequestSchema, QueryService } from '../../../gen/conformance/v1/conformance_pb.js';
import { certificates } from '../../../support/certificates.ts';
import { type Conformance, conformanceService } from '../../../support/conformance-service.ts';
import { eventually, settled } from '../../../support/eventually.ts';
import { FOREVER } from '../../../support/patience.ts';
import { frame, openCall, withSession } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const COUNT = '/conformance.v1.QueryService/Count';

let conformance: Conformance;
let door: Door;
let origin: string;

beforeEach(() => {
  conformance = conformanceService();
});
afterEach(() => door.close({ graceMs: 0 }));

async function open(options: Partial<ConnectDoorOptions> = {}): Promise<number> {
  door = createConnectDoor({ bus: conformance.bus, unexpected: conformance.unexpected, ...options });
  const port = await door.listen('127.0.0.1:0');
  origin = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  return port;
}

const failure = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => {
      throw new Error('did not fail');
    },
    (error: ConnectError) => error,
  );

describe('listen', () => {
  it('says which address is in use', async () => {
    const port = await open();
    await expect(createConnectDoor(conformance).listen(`127.0.0.1:${port}`)).rejects.toThrow(AddressInUse);
  });

  it('refuses what is not an address', async () => {
    door = createConnectDoor(conformance);
    await expect(door.listen('8080')).rejects.toThrow(AddressInvalid);
  });
});

describe('one port', () => {
  it.each(['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'POST / HTTP/1.1\r\n', 'PR'])('waits for the rest of %j', async (beginning) => {
    const port = await open();
    const socket = connect(port, '127.0.0.1');
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    for (const byte of Buffer.from(beginning)) {
      socket.write(Uint8Array.of(byte));
      await sleep(1);
    }
    expect(socket.destroyed).toBe(false);
    if (beginning.startsWith('PRI')) socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
    else socket.write(beginning === 'PR' ? 'OPFIND / HTTP/1.1\r\nhost: x\r\n\r\n' : 'host: x\r\n\r\n');
    await eventually(() => expect(received.length).toBeGreaterThan(0));
    const answer = Buffer.concat(received);
    if (beginning.startsWith('PRI')) expect(answer[3]).toBe(4);
    else expect(answer.toString()).toMatch(/^HTTP\/1\.1 404 /);
    socket.destroy();
  });

  it('serves several HTTP/1.1 calls on one connection', async () => {
    const port = await open();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<Socket>();
    for (const text of ['one', 'x'.repeat(100_000), 'three']) {
      const request = requestHttp({ port, agent, method: 'POST', path: ECHO, headers: { 'content-type': 'application/json' } });
      request.end(JSON.stringify({ text }));
      const [response] = await once(request, 'response');
      sockets.add(request.socket as Socket);
      expect(JSON.parse((await Array.fromAsync(response)).join(''))).toMatchObject({ text });
    }
    expect(sockets.size).toBe(1);
    agent.destroy();
  });
});

describe('streams', () => {
  it('makes no more of a stream than its slow reader takes', async () => {
    await withSession(await open(), async (session) => {
      const stream = openCall(session, '/conformance.v1.QueryService/Count');
      stream.end(frame(toBinary(CountRequestSchema, create(CountRequestSchema, { upTo: 1_000_000 }))));
      await once(stream, 'response');
      const produced = await settled(() => conformance.produced);
      expect(produced).toBeGreaterThan(100);
      expect(produced).toBeLessThan(50_000);
    });
    await eventually(() => expect(conformance.aborted).toEqual(['CallCanceled']));
  });
});

describe('a stream whose caller reads nothing', () => {
  /** A call over HTTP/1.1 or HTTP/2 of which the answer is not read, and what ends it. */
  async function unread(port: number, httpVersion: '1.1' | '2', timeout: string): Promise<() => void> {
    const body = frame(toBinary(CountRequestSchema, create(CountRequestSchema, { upTo: 1_000_000_000 })));
    let end: () => void;
    if (httpVersion === '2') {
      const session = connectHttp2(`http://127.0.0.1:${port}`).on('error', () => undefined);
      openCall(session, COUNT, { 'grpc-timeout': timeout }).end(body);
      end = () => session.destroy();
    } else {
      const socket = connect(port, '127.0.0.1').pause();
      socket.write(
        `POST ${COUNT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc-web+proto\r\ngrpc-timeout: ${timeout}\r\ncontent-length: ${body.length}\r\n\r\n`,
      );
      socket.write(body);
      end = () => socket.destroy();
    }
    await eventually(() => expect(conformance.calls).toHaveLength(1));
    return end;
  }

  it.each(['1.1', '2'] as const)('ends with its deadline, and so does its call (HTTP/%s)', async (httpVersion) => {
    const port = await open();
    const leave = await unread(port, httpVersion, '1S');
    await eventually(() => expect(conformance.openStreams).toBe(1));
    await eventually(() => expect(conformance.openStreams).toBe(0));
    expect(conformance.aborted).toEqual(['DeadlinePassed']);
    leave();
  });
});

describe('TLS', () => {
  it.each(['1.1', '2'] as const)('serves HTTP/%s to callers that trust its certificate', async (httpVersion) => {
    const { ca, server } = await certificates();
    await open({ tls: new ServerTls(server) });
    const trusting = createConnectTransport({ baseUrl: origin, httpVersion, nodeOptions: { ca } });
    expect((await createClient(CommandService, trusting).echo({ text: 'secret' })).text).toBe('secret');
    const doubting = createConnectTransport({ baseUrl: origin, httpVersion });
    await failure(createClient(CommandService, doubting).echo({}));
    expect(conformance.calls).toHaveLength(1);
  });

  it('serves gRPC', async () => {
    const { ca, server } = await certificates();
    await open({ tls: new ServerTls(server) });
    const transport = createGrpcTransport({ baseUrl: origin, nodeOptions: { ca } });
    expect(await Array.fromAsync(createClient(QueryService, transport).count({ upTo: 3 }))).toHaveLength(3);
  });

  it.each(['1.1', '2'] as const)('asks callers over HTTP/%s for a certificate of its CA', async (httpVersion) => {
    const { ca, server, client, stranger } = await certificates();
    await open({ tls: new ServerTls({ ...server, clientCa: ca }) });
    const caller = (nodeOptions: object) =>
      createClient(CommandService, createConnectTransport({ baseUrl: origin, httpVersion, nodeOptions }));
    expect((await caller({ ca, ...client }).echo({ text: 'mutual' })).text).toBe('mutual');
    for (const options of [{ ca }, { ca, ...stranger }]) await failure(caller(options).echo({}));
    expect(conformance.calls).toHaveLength(1);
  });
});

describe('close', () => {
  it.each(['1.1', '2'] as const)('lets calls over HTTP/%s finish and refuses new ones', async (httpVersion) => {
    await open();
    const transport = createConnectTransport({ baseUrl: origin, httpVersion });
    const unary = createClient(CommandService, transport).echo({ text: 'in time', delayMs: 300 });
    const stream = Array.fromAsync(createClient(QueryService, transport).count({ upTo: 5, delayMs: 60 }));
    await eventually(() => expect(conformance.calls).toHaveLength(2));
    const closed = door.close({ graceMs: FOREVER });
    await eventually(() => expect(fetch(`${origin}/healthz`)).rejects.toThrow());
    expect((await unary).text).toBe('in time');
    expect(await stream).toHaveLength(5);
    await closed;
  });

  it.each(['1.1', '2'] as const)('ends calls over HTTP/%s that take longer than the grace, and says why', async (httpVersion) => {
    await open();
    const transport = createConnectTransport({ baseUrl: origin, httpVersion });
    const unary = failure(createClient(CommandService, transport).echo({ delayMs: FOREVER }));
    const stream = failure(Array.fromAsync(createClient(QueryService, transport).count({ upTo: 1_000_000, delayMs: 20 })));
    await eventually(() => expect(conformance.calls).toHaveLength(2));
    await door.close({ graceMs: 100 });
    for (const error of [await unary, await stream]) {
      expect([error.code, error.findDetails(ErrorInfoSchema)[0]?.reason]).toEqual([Code.Unavailable, 'SHUTTING_DOWN']);
    }
  });

  it('tells callers over HTTP/1.1 not to use their connection again', async () => {
    const port = await open();
    const agent = new Agent({ keepAlive: true });
    const request = requestHttp({ port, agent, method: 'POST', path: ECHO, headers: { 'content-type': 'application/json' } });
    request.end('{"delayMs":100}');
    await eventually(() => expect(conformance.calls).toHaveLength(1));
    const closed = door.close({ graceMs: FOREVER });
    const [response] = await once(request, 'response');
    expect(response.headers.connection).toBe('close');
    response.resume();
    await closed;
    agent.destroy();
  });

  it.each([
    ['clear text', false],
    ['TLS', true],
  ])('answers a call over HTTP/1.1 in %s that was sent on an idle connection when the door began to close', async (_, secure) => {
    const { ca, server } = await certificates();
    const port = await open(secure ? { tls: new ServerTls(server) } : {});
    const socket = secure ? connectTls({ port, host: 'localhost', ca }) : connect(port, '127.0.0.1');
    await once(socket, secure ? 'secureConnect' : 'connect');
    let answers = '';
    socket.on('data', (chunk: Buffer) => {
      answers += chunk;
    });
    const call = (): unknown =>
      socket.write(`POST ${ECHO} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
    call();
    await eventually(() => expect(answers).toMatch(/^HTTP\/1\.1 200 .*keep-alive.*\}$/is));
    const closed = door.close({ graceMs: FOREVER });
    await nextTurn();
    await nextTurn();
    answers = '';
    call();
    await once(socket, 'close');
    expect(answers).toMatch(/^HTTP\/1\.1 200 .*connection: close.*\}$/is);
    await closed;
    expect(conformance.calls).toHaveLength(2);
  });

  it.each([
    [
      'an idle HTTP/1.1 connection',
      (port: number) => {
        const socket = connect(port, '127.0.0.1');
        socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
        return socket;
      },
    ],
    ['a silent connection', (port: number) => connect(port, '127.0.0.1')],
    ['an idle HTTP/2 connection', (port: number) => connectHttp2(`http://127.0.0.1:${port}`)],
  ])('does not wait for %s', async (_, dial) => {
    const opened = dial(await open());
    opened.on('error', () => undefined);
    await once(opened, 'connect');
    await door.close({ graceMs: FOREVER });
    opened.destroy();
  });
});
