import { once } from 'node:events';
import { Agent, type IncomingMessage, request as requestHttp } from 'node:http';
import type { Socket } from 'node:net';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { CommandService } from '../../../gen/conformance/v1/conformance_pb.js';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../../support/guarded-doors.ts';
import { openCall, withSession } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const [[, GRPC], , [, CONNECT]] = GUARDED;
const FIVE_MB = 'x'.repeat(5_000_000);

let guarded: GuardedDoor;
afterEach(async () => guarded[Symbol.asyncDispose]());

/** Node's own client resets streams when it has queued more than 10 MB of requests on a connection, whatever is answered. */
const ROOMY = { maxSessionMemory: 1000 };

/** Each makes a client of the kind whose connections are kept. */
const CLIENTS = [
  ['gRPC', GRPC, (baseUrl: string) => createGrpcTransport({ baseUrl, nodeOptions: ROOMY })],
  ['gRPC at the Connect door', CONNECT, (baseUrl: string) => createGrpcTransport({ baseUrl, nodeOptions: ROOMY })],
  [
    'Connect over HTTP/2',
    CONNECT,
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '2', nodeOptions: ROOMY }),
  ],
  [
    'Connect over HTTP/1.1',
    CONNECT,
    (baseUrl: string, agent: Agent) => createConnectTransport({ baseUrl, httpVersion: '1.1', nodeOptions: { agent } }),
  ],
  [
    'Connect over HTTP/1.1 in JSON',
    CONNECT,
    (baseUrl: string, agent: Agent) =>
      createConnectTransport({ baseUrl, httpVersion: '1.1', nodeOptions: { agent }, useBinaryFormat: false }),
  ],
  [
    'gRPC-Web over HTTP/1.1',
    CONNECT,
    (baseUrl: string, agent: Agent) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1', nodeOptions: { agent } }),
  ],
] as const;

describe('a message that is too large', () => {
  const reasonOf = (error: unknown): unknown => {
    const { code, message } = ConnectError.from(error);
    const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema);
    return { code: Code[code], reason: info?.reason ?? message };
  };

  it.each(CLIENTS)(
    'is refused with its reason, each of eight on connections that are kept: %s',
    async (_, making, transportOf) => {
      guarded = await guardedDoor(making);
      const agent = new Agent({ keepAlive: true, maxSockets: 2 });
      const client: Client<typeof CommandService> = createClient(
        CommandService,
        transportOf(`http://127.0.0.1:${guarded.port}`, agent),
      );
      const refused = { code: 'ResourceExhausted', reason: 'MESSAGE_TOO_LARGE' };
      for (let round = 0; round < 2; round += 1) {
        const errors = await Promise.all(Array.from({ length: 4 }, () => client.echo({ text: FIVE_MB }).catch(reasonOf)));
        expect(errors).toEqual([refused, refused, refused, refused]);
        expect((await client.echo({ text: 'goes on' })).text).toBe('goes on');
      }
      for (let call = 0; call < 8; call += 1) expect(await client.echo({ text: FIVE_MB }).catch(reasonOf)).toEqual(refused);
      expect((await client.echo({ text: 'and on' })).text).toBe('and on');
      expect(guarded.conformance.reported).toEqual([]);
      agent.destroy();
    },
  );
});

/** What is answered before its body has come. */
const EARLY = [
  ['HEAD', ECHO, 405],
  ['PUT', ECHO, 405],
  ['DELETE', ECHO, 405],
  ['PATCH', '/nothing', 404],
  ['HEAD', '/nothing', 404],
  ['POST', '/nothing', 404],
  ['OPTIONS', ECHO, 405],
] as const;

describe.each([
  ['the gRPC door', GRPC],
  ['the Connect door', CONNECT],
])('%s over HTTP/2', (_, making) => {
  it.each(EARLY)('answers %s %s at once, ends the stream whatever body follows, and serves on', async (verb, path, atConnect) => {
    // Its rounds are closer together then.
    guarded = await guardedDoor(making, { limits: { probeMs: 400 } });
    await withSession(guarded.port, async (session) => {
      for (let call = 0; call < 3; call += 1) {
        const header = { ':method': verb, ':path': path, 'content-type': 'application/json' };
        // By default Node's client sends no body with some verbs.
        const stream = session.request(header, { endStream: false });
        const ended = once(stream, 'close');
        const [headers] = (await once(stream.resume(), 'response')) as [Record<string, unknown>];
        // The gRPC door looks at verb and type first.
        expect(headers[':status']).toBe(making === CONNECT ? atConnect : verb === 'POST' ? 415 : 405);
        // More than the windows of the stream and the connection.
        stream.end(Buffer.alloc(1_000_000));
        await ended;
        expect(stream.rstCode).toBe(0);
      }
      expect(session.destroyed || session.closed).toBe(false);
      const good = openCall(session, ECHO, { 'content-type': 'application/grpc' });
      good.end(Buffer.alloc(5));
      const [answer] = (await once(good.resume(), 'response')) as [Record<string, unknown>];
      expect(answer[':status']).toBe(200);
    });
    expect(guarded.conformance.reported).toEqual([]);
  });

  it('closes a stream whose caller goes on sending without an end', async () => {
    guarded = await guardedDoor(making, { limits: { requestMs: 400 } });
    await withSession(guarded.port, async (session) => {
      const stream = openCall(session, ECHO, { ':method': 'PUT' });
      const ended = once(stream, 'close');
      const sending = setInterval(() => stream.writable && stream.write(Buffer.alloc(1000)), 10);
      await ended;
      clearInterval(sending);
    });
  });
});

describe('the Connect door over HTTP/1.1', () => {
  it.each(EARLY)('answers %s %s though a body of 1 MB follows, and says that it closes', async (verb, path, status) => {
    guarded = await guardedDoor(CONNECT);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let call = 0; call < 3; call += 1) {
      const headers = { 'content-type': 'application/json', 'content-length': 1_000_000 };
      const request = requestHttp({ port: guarded.port, agent, method: verb, path, headers });
      request.end(Buffer.alloc(1_000_000));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await Array.fromAsync(response);
      expect([response.statusCode, response.headers.connection]).toEqual([status, 'close']);
    }
    agent.destroy();
  });

  it.each(EARLY)('reads a short body after %s %s, and keeps the connection', async (verb, path, status) => {
    guarded = await guardedDoor(CONNECT);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<Socket>();
    for (let call = 0; call < 3; call += 1) {
      const headers = { 'content-type': 'application/json', 'content-length': 10_000 };
      const request = requestHttp({ port: guarded.port, agent, method: verb, path, headers });
      request.end(Buffer.alloc(10_000));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await Array.fromAsync(response);
      expect(response.statusCode).toBe(status);
      sockets.add(request.socket as Socket);
    }
    expect(sockets.size).toBe(1);
    agent.destroy();
  });
});
