import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EDGE_LIMITS } from '../../../../src/kernel/doors/edge/edge-limits.ts';
import { mostOpenFiles } from '../../../../src/kernel/doors/edge/open-files.ts';
import { createPageServer } from '../../../../src/kernel/doors/page-server.ts';
import { TrustedProxies } from '../../../../src/kernel/doors/proxies/trusted-proxies.ts';
import { EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../../support/guarded-doors.ts';
import { FOREVER } from '../../../support/patience.ts';
import { data, FLAG, headers, RawConnection } from '../../../support/raw-frames.ts';
import { frame } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const GRPC = { ':path': ECHO, 'content-type': 'application/grpc', te: 'trailers' };
const SLOW = frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { delayMs: FOREVER })));
const SOMEBODY = '127.0.0.2';
const SOMEBODY_ELSE = '127.0.0.3';

let guarded: GuardedDoor;
let opened: RawConnection[] = [];
afterEach(async () => {
  await Promise.all(opened.map((connection) => connection[Symbol.asyncDispose]()));
  opened = [];
  await guarded[Symbol.asyncDispose]();
});

async function silent(from: string): Promise<RawConnection> {
  const connection = await RawConnection.open(guarded.port, undefined, from);
  opened.push(connection);
  return connection;
}

const open = (connections: readonly RawConnection[]): number =>
  connections.filter(({ socket }) => !socket.destroyed && !socket.readableEnded).length;

async function healthOf(port: number): Promise<number | undefined> {
  const request = requestHttp({ port, path: '/healthz' });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

/** As many as 2,000, if this process may have both ends of each open. */
const MANY = Math.min(2000, Math.floor((mostOpenFiles() - 300) / 2));

describe.each(GUARDED.filter(([, { secure }]) => !secure))('%s', (_, making) => {
  it(`bears ${MANY} silent connections of one address: it keeps those that the address may have, and serves others and probes`, async () => {
    const perAddress = Math.min(EDGE_LIMITS.connectionsPerAddress, Math.floor(MANY / 2));
    let turnedAway = 0;
    guarded = await guardedDoor(making, {
      limits: { connectionsPerAddress: perAddress, beginMs: FOREVER },
      report: (number) => {
        turnedAway += number;
      },
    });
    const pages = createPageServer([{ path: '/healthz', handle: () => ({ status: 200, body: {} }) }]);
    const pagesPort = await pages.listen('127.0.0.1:0');
    using caller = guarded.caller();
    await caller.client.echo({ text: 'before' });

    const silents: RawConnection[] = [];
    while (silents.length < MANY) {
      silents.push(...(await Promise.all(Array.from({ length: 50 }, () => silent(SOMEBODY)))));
      expect(await caller.client.echo({ text: 'meanwhile' })).toMatchObject({ text: 'meanwhile' });
      expect(await healthOf(pagesPort)).toBe(200);
    }
    await eventually(() => expect(open(silents)).toBe(perAddress));
    await eventually(() => expect(turnedAway).toBeGreaterThan(0));
    using newcomer = guarded.caller();
    expect(await newcomer.client.echo({ text: 'new' })).toMatchObject({ text: 'new' });

    // A place that is left can be taken again.
    silents.find(({ socket }) => !socket.destroyed)?.socket.destroy();
    await eventually(async () => {
      const again = await silent(SOMEBODY);
      const isServed = once(
        again.socket.on('error', () => undefined),
        'data',
      );
      again.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
      expect(await Promise.race([isServed.then(() => true), again.closed.then(() => false)])).toBe(true);
    });
    await pages.close({ graceMs: 0 });
  });

  it('has those make way that have been without a call for longest, and none with a call', async () => {
    guarded = await guardedDoor(making, { limits: { connections: 10, beginMs: FOREVER } });
    const atWork = await guarded.connectHttp2();
    opened.push(atWork);
    atWork.send(headers(1, GRPC), data(1, SLOW, FLAG.endStream));
    await eventually(() => expect(guarded.conformance.calls).toHaveLength(1));
    const first: RawConnection[] = [];
    while (first.length < 9) first.push(await silent(SOMEBODY));
    const later: RawConnection[] = [];
    // Times are those of rounds: none makes way for one that came in the same round.
    await eventually(async () => {
      later.push(await silent(SOMEBODY_ELSE));
      await eventually(() => expect(open([...first, ...later])).toBe(9));
      expect(open(first)).toBe(0);
    });
    using caller = guarded.caller();
    await eventually(async () => expect(await caller.client.echo({ text: 'new' })).toMatchObject({ text: 'new' }));
    expect(atWork.socket.destroyed).toBe(false);
    expect(guarded.conformance.aborted).toEqual([]);
  });

  it('turns newcomers away when every place is at work', async () => {
    guarded = await guardedDoor(making, { limits: { connections: 3 } });
    for (let place = 1; place <= 3; place += 1) {
      const atWork = await guarded.connectHttp2();
      opened.push(atWork);
      atWork.send(headers(1, GRPC), data(1, SLOW, FLAG.endStream));
      await eventually(() => expect(guarded.conformance.calls).toHaveLength(place));
    }
    await (await silent(SOMEBODY)).closed;
    expect(guarded.conformance.aborted).toEqual([]);
  });

  it('does not count the connections of a trusted proxy as those of one address', async () => {
    guarded = await guardedDoor(
      making,
      { limits: { connectionsPerAddress: 2, beginMs: FOREVER } },
      { proxies: new TrustedProxies({ networks: [SOMEBODY], header: 'x-forwarded-for', proxyProtocol: false }) },
    );
    const ofProxy = await Promise.all(Array.from({ length: 20 }, () => silent(SOMEBODY)));
    const ofOne = await Promise.all(Array.from({ length: 20 }, () => silent(SOMEBODY_ELSE)));
    await eventually(() => expect(open(ofOne)).toBe(2));
    expect(open(ofProxy)).toBe(20);
  });
});
