import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import { createGrpcDoor } from '../../../../src/kernel/doors/grpc/door.ts';
import { TrustedProxies } from '../../../../src/kernel/doors/proxies/trusted-proxies.ts';
import { ServerTls } from '../../../../src/kernel/doors/tls/server-tls.ts';
import { EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { certificates } from '../../../support/certificates.ts';
import { type Conformance, conformanceService } from '../../../support/conformance-service.ts';
import { eventually } from '../../../support/eventually.ts';
import { proxyV2 } from '../../../support/proxy-header.ts';
import { frame } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const V1 = Buffer.from('PROXY TCP4 203.0.113.7 10.0.0.1 1234 443\r\n');
const DOORS = { 'gRPC door': createGrpcDoor, 'Connect door': createConnectDoor };

let resources = new AsyncDisposableStack();
afterEach(async () => {
  await resources.disposeAsync();
  resources = new AsyncDisposableStack();
});

/** Calls Echo by gRPC on a connection that exists. */
async function call(socket: Socket, headers: Record<string, string> = {}): Promise<unknown> {
  const session = connectHttp2('http://localhost', { createConnection: () => socket });
  session.on('error', () => undefined);
  resources.defer(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': ECHO,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  stream.end(frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'x' }))));
  stream.resume();
  await once(stream, 'close');
  return stream.rstCode;
}

describe.each(Object.entries(DOORS))('where a call comes from, at the %s', (_, createDoor) => {
  let conformance: Conformance;

  async function open(options: { trusted?: boolean; proxyProtocol?: boolean; tls?: ServerTls } = {}): Promise<number> {
    conformance = conformanceService();
    const { trusted = true, proxyProtocol = false, tls } = options;
    const networks = [trusted ? '127.0.0.0/8' : '10.0.0.0/8'];
    const proxies = new TrustedProxies({ networks, header: 'x-forwarded-for', proxyProtocol });
    const door = createDoor({ ...conformance, proxies, tls });
    resources.defer(() => door.close({ graceMs: 0 }));
    return await door.listen('127.0.0.1:0');
  }
  const peers = () => conformance.calls.map(({ origin }) => origin.peer);

  async function dial(port: number, bytes?: Buffer): Promise<Socket> {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    if (bytes) socket.write(bytes);
    return socket;
  }

  it('is what a trusted proxy says', async () => {
    const port = await open();
    await call(await dial(port), { 'x-forwarded-for': '1.2.3.4, 203.0.113.7' });
    expect(peers()).toEqual(['203.0.113.7']);
  });

  it('is the connection, for everybody else and for other headers', async () => {
    const port = await open({ trusted: false, proxyProtocol: true });
    await call(await dial(port), { 'x-forwarded-for': '203.0.113.7' });
    expect(peers()).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
    const trusting = await open();
    await call(await dial(trusting), { forwarded: 'for=203.0.113.7', 'x-real-ip': '203.0.113.7' });
    expect(peers()).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
  });

  it.each([
    ['1', V1],
    ['2', proxyV2('203.0.113.7', 1234)],
  ])('is what the PROXY protocol says, version %s', async (_, header) => {
    const port = await open({ proxyProtocol: true });
    await call(await dial(port, header), { 'x-forwarded-for': '198.51.100.1' });
    expect(peers()).toEqual(['203.0.113.7:1234']);
  });

  it('may be told byte by byte, and by a proxy of a proxy', async () => {
    const port = await open({ proxyProtocol: true });
    const socket = await dial(port);
    socket.setNoDelay();
    for (const byte of Buffer.from('PROXY TCP4 127.9.9.9 10.0.0.1 1234 443\r\n')) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await call(socket, { 'x-forwarded-for': '203.0.113.7' });
    expect(peers()).toEqual(['203.0.113.7']);
  });

  it('is told before TLS', async () => {
    const { ca, server } = await certificates();
    const port = await open({ proxyProtocol: true, tls: new ServerTls(server) });
    const socket = connectTls({ socket: await dial(port, V1), ca, host: '127.0.0.1', ALPNProtocols: ['h2'] });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    await call(socket);
    expect(peers()).toEqual(['203.0.113.7:1234']);
  });

  it.each([
    ['none', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['a broken one', Buffer.from('PROXY TCP4 nobody 10.0.0.1 1 2\r\n')],
  ])('has to be told by a proxy that is to speak the PROXY protocol: %s', async (_, bytes) => {
    const port = await open({ proxyProtocol: true });
    const socket = await dial(port, bytes);
    await once(socket.resume(), 'close');
    expect(conformance.calls).toEqual([]);
  });

  it('is the proxy itself when that asks for itself', async () => {
    const port = await open({ proxyProtocol: true });
    await call(await dial(port, proxyV2(Buffer.alloc(0), 0x00, 0x20)));
    expect(peers()).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
  });
});

describe('where a call comes from, over HTTP/1.1', () => {
  it('is told in the same segment as the request', async () => {
    const conformance = conformanceService();
    const proxies = new TrustedProxies({ networks: ['127.0.0.1'], header: 'x-forwarded-for', proxyProtocol: true });
    const door = createConnectDoor({ ...conformance, proxies });
    resources.defer(() => door.close({ graceMs: 0 }));
    const socket = connect(await door.listen('127.0.0.1:0'), '127.0.0.1');
    resources.defer(() => void socket.destroy());
    const request = `POST ${ECHO} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.write(Buffer.concat([V1, Buffer.from(request)]));
    await eventually(() => expect(Buffer.concat(received).toString()).toContain('HTTP/1.1 200 OK'));
    expect(conformance.calls[0]?.origin.peer).toBe('203.0.113.7:1234');
  });
});
