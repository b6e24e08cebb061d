import { once } from 'node:events';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, type ConnectError, createClient } from '@connectrpc/connect';
import { credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { AddressInUse, AddressInvalid } from '../../../../src/kernel/doors/address.ts';
import type { Door, DoorOptions } from '../../../../src/kernel/doors/door.ts';
import { createGrpcDoor } from '../../../../src/kernel/doors/grpc/door.ts';
import { ServerTls } from '../../../../src/kernel/doors/tls/server-tls.ts';
import { CommandService, CountRequestSchema, QueryService } from '../../../gen/conformance/v1/conformance_pb.js';
import { certificates } from '../../../support/certificates.ts';
import { type Conformance, conformanceService } from '../../../support/conformance-service.ts';
import { eventually, settled } from '../../../support/eventually.ts';
import { grpcJsTransport } from '../../../support/grpc-js-transport.ts';
import { FOREVER } from '../../../support/patience.ts';
import { frame, openCall, withSession } from '../../../support/raw-http2.ts';

let conformance: Conformance;
let door: Door;
let closers: (() => void)[];

beforeEach(() => {
  conformance = conformanceService();
  closers = [];
});
afterEach(async () => {
  for (const close of closers) close();
  await door.close({ graceMs: 0 });
});

async function open(options: Partial<DoorOptions> = {}): Promise<number> {
  door = createGrpcDoor({ bus: conformance.bus, unexpected: conformance.unexpected, ...options });
  return door.listen('127.0.0.1:0');
}

function callers(port: number, security?: ReturnType<typeof credentials.createSsl>) {
  const transport = grpcJsTransport(
    `127.0.0.1:${port}`,
    security ? { security, 'grpc.ssl_target_name_override': 'localhost' } : {},
  );
  closers.push(() => transport.close());
  return { commands: createClient(CommandService, transport), queries: createClient(QueryService, transport) };
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
    const second = createGrpcDoor(conformance);
    await expect(second.listen(`127.0.0.1:${port}`)).rejects.toThrow(new AddressInUse(`127.0.0.1:${port}`));
    await second.close({ graceMs: 0 });
  });

  it.each(['localhost', '127.0.0.1:', ':50051', '127.0.0.1:70000', '[::1:50051'])('refuses the address %p', async (address) => {
    door = createGrpcDoor(conformance);
    await expect(door.listen(address)).rejects.toThrow(AddressInvalid);
  });

  it('opens an IPv6 address', async () => {
    door = createGrpcDoor(conformance);
    const port = await door.listen('[::1]:0');
    const transport = grpcJsTransport(`[::1]:${port}`);
    closers.push(() => transport.close());
    expect((await createClient(CommandService, transport).echo({ text: 'six' })).text).toBe('six');
  });
});

describe('calls', () => {
  it('tells where a call comes from', async () => {
    const { commands } = callers(await open());
    await commands.echo({});
    const [call] = conformance.calls;
    expect(call?.origin).toMatchObject({ door: 'grpc', requestMethod: 'POST', deadline: undefined });
    expect(call?.url).toBe('grpc://bicameral/conformance.v1.CommandService/Echo');
  });

  it('knows the peer while the call runs', async () => {
    const { commands } = callers(await open());
    const running = commands.echo({ delayMs: 100 });
    await eventually(() => expect(conformance.calls).toHaveLength(1));
    expect(conformance.calls[0]?.origin.peer).toMatch(/^127\.0\.0\.1:\d+$/);
    await running;
  });

  it('names the unknown method', async () => {
    const port = await open();
    await withSession(port, async (session) => {
      const stream = openCall(session, '/users.v9.Nothing/At%20All');
      const [headers] = await once(stream, 'response');
      expect(headers['grpc-status']).toBe(String(Code.Unimplemented));
      expect(headers['grpc-message']).toContain('users.v9.Nothing/At');
      expect(headers['grpc-status-details-bin']).toBeDefined();
    });
  });

  it('reports an answer whose metadata gRPC cannot carry', async () => {
    const { commands } = callers(await open());
    const route = conformance.bus.get('conformance.v1.CommandService/Echo');
    if (!route) throw new Error('no route');
    const { dispatch } = route;
    Object.assign(route, {
      dispatch: async (call: Parameters<typeof dispatch>[0]) => {
        const answer = await dispatch(call);
        answer.header.set('x-name', 'Zoë');
        return answer;
      },
    });
    const error = await failure(commands.echo({}));
    expect(error.code).toBe(Code.Internal);
    expect(conformance.reported).toHaveLength(1);
  });

  it('allows as many calls on a connection as it is told', async () => {
    await withSession(await open({ edge: { limits: { streamsPerConnection: 7 } } }), async (session) => {
      expect(session.remoteSettings.maxConcurrentStreams).toBe(7);
    });
  });

  it('closes connections that are too old', async () => {
    await withSession(await open({ edge: { limits: { ageMs: 100 } } }), async (session) => {
      const [code] = await once(session, 'goaway');
      expect(code).toBe(0);
    });
  });

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

describe('pings', () => {
  const edge = { limits: { minPingMs: 60_000 } };
  const ping = (session: ReturnType<typeof connect>) => new Promise((resolve) => session.ping(resolve));

  it('sends a caller away that pings too often', async () => {
    await withSession(await open({ edge }), async (session) => {
      const goaways: unknown[] = [];
      session.on('goaway', (code, _, data) => goaways.push([code, String(data)]));
      const closed = new Promise((resolve) => session.once('close', resolve));
      let sent = 0;
      for (; sent < 10 && goaways.length === 0; sent += 1) await ping(session);
      expect(goaways).toEqual([[11, 'too_many_pings']]);
      expect(sent).toBeLessThan(7);
      await closed;
    });
  });

  it('bears pings that come with data, as clients send them to measure the bandwidth', async () => {
    await withSession(await open({ edge }), async (session) => {
      for (let sent = 0; sent < 6; sent += 1) {
        await ping(session);
        const stream = openCall(session, '/conformance.v1.CommandService/Echo');
        stream.end(frame(new Uint8Array())).resume();
        await once(stream, 'close');
      }
      expect(session.destroyed).toBe(false);
    });
  });

  it('bears pings that come as rarely as they may', async () => {
    await withSession(await open({ edge: { limits: { minPingMs: 10 } } }), async (session) => {
      for (let sent = 0; sent < 6; sent += 1) {
        await ping(session);
        await sleep(20);
      }
      expect(session.destroyed).toBe(false);
    });
  });
});

describe('TLS', () => {
  it('serves callers that trust its certificate', async () => {
    const { ca, server } = await certificates();
    const port = await open({ tls: new ServerTls(server) });
    const { commands } = callers(port, credentials.createSsl(ca));
    expect((await commands.echo({ text: 'secret' })).text).toBe('secret');
    const plain = callers(port).commands;
    expect((await failure(plain.echo({}))).code).toBe(Code.Unavailable);
  });

  it('asks callers for a certificate of its CA', async () => {
    const { ca, server, client, stranger } = await certificates();
    const port = await open({ tls: new ServerTls({ ...server, clientCa: ca }) });
    const known = callers(port, credentials.createSsl(ca, client.key, client.cert)).commands;
    expect((await known.echo({ text: 'mutual' })).text).toBe('mutual');
    for (const security of [credentials.createSsl(ca), credentials.createSsl(ca, stranger.key, stranger.cert)]) {
      expect((await failure(callers(port, security).commands.echo({}))).code).toBe(Code.Unavailable);
    }
    expect(conformance.calls).toHaveLength(1);
  });
});

describe('close', () => {
  it('lets calls in flight finish and refuses new ones', async () => {
    const port = await open();
    const { commands, queries } = callers(port);
    const unary = commands.echo({ text: 'in time', delayMs: 300 });
    const stream = Array.fromAsync(queries.count({ upTo: 5, delayMs: 60 }));
    await eventually(() => expect(conformance.calls).toHaveLength(2));
    const closed = door.close({ graceMs: 5000 });
    expect((await failure(callers(port).commands.echo({}))).code).toBe(Code.Unavailable);
    expect((await unary).text).toBe('in time');
    expect(await stream).toHaveLength(5);
    await closed;
  });

  it('ends calls that take longer than the grace, and says why', async () => {
    const { commands, queries } = callers(await open());
    const unary = failure(commands.echo({ delayMs: FOREVER }));
    const stream = failure(Array.fromAsync(queries.count({ upTo: 1_000_000, delayMs: 20 })));
    await eventually(() => expect(conformance.calls).toHaveLength(2));
    await door.close({ graceMs: 100 });
    for (const error of [await unary, await stream]) {
      expect([error.code, error.findDetails(ErrorInfoSchema)[0]?.reason]).toEqual([Code.Unavailable, 'SHUTTING_DOWN']);
    }
    await eventually(() => expect(conformance.aborted).toEqual(['ShuttingDown', 'ShuttingDown']));
  });

  it('ends streams without an end soon, while other calls have their time', async () => {
    const { commands, queries } = callers(await open());
    const unary = commands.echo({ text: 'in time', delayMs: 2_500 });
    const stream = failure(Array.fromAsync(queries.count({ upTo: 100_000, delayMs: 20 })));
    await eventually(() => expect(conformance.calls).toHaveLength(2));
    const closed = door.close({ graceMs: FOREVER });
    expect((await stream).findDetails(ErrorInfoSchema)[0]?.reason).toBe('SHUTTING_DOWN');
    expect((await unary).text).toBe('in time');
    await closed;
  });

  it('does not wait for a caller that neither reads nor hangs up', async () => {
    const port = await open();
    const socket = createConnection(port, '127.0.0.1');
    closers.push(() => socket.destroy());
    await once(socket, 'connect');
    const session = connect('http://unused', { createConnection: () => socket });
    session.on('error', () => {});
    const stream = openCall(session, '/conformance.v1.QueryService/Count');
    stream.end(frame(toBinary(CountRequestSchema, create(CountRequestSchema, { upTo: 1_000_000 }))));
    await once(stream, 'response');
    socket.pause();
    await door.close({ graceMs: 100 });
  });

  it('does not wait for idle connections', async () => {
    const { commands } = callers(await open());
    await commands.echo({});
    await door.close({ graceMs: FOREVER });
  });

  it('closes a door that was never opened', async () => {
    door = createGrpcDoor(conformance);
    await door.close({ graceMs: 1000 });
  });
});
