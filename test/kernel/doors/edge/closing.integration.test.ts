import type { TLSSocket } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { expect, it } from '@jest/globals';
import { EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../../support/guarded-doors.ts';
import { data, FLAG, headers, PREFACE, RawConnection, settings } from '../../../support/raw-frames.ts';
import { frame } from '../../../support/raw-http2.ts';

const GRPC = { ':path': '/conformance.v1.CommandService/Echo', 'content-type': 'application/grpc', te: 'trailers' };
const LONG = frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'long'.repeat(1000) })));

/** Callers that do not go by themselves. */
const STUBBORN: Readonly<Record<string, (door: GuardedDoor) => Promise<RawConnection>>> = {
  'is silent': ({ port }) => RawConnection.open(port),
  'has begun a header': async (door) => {
    const connection = await door.connectHttp2();
    connection.send(headers(1, GRPC, 0));
    return connection;
  },
  'has begun a call': async (door) => {
    const connection = await door.connectHttp2();
    connection.send(headers(1, GRPC));
    return connection;
  },
  'reads no answer': async (door) => {
    const connection = await door.connectHttp2();
    connection.socket.pause();
    for (let id = 1; id < 100; id += 2) connection.send(headers(id, GRPC), data(id, LONG, FLAG.endStream));
    return connection;
  },
  'has said that it sends no more': async (door) => {
    const connection = await door.connectHttp2();
    connection.socket.end();
    return connection;
  },
  'begins the handshake anew (RFC 9113, 9.2.1)': async ({ port, tls }) => {
    const connection = await RawConnection.open(port, tls && { ...tls, maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] });
    connection.send(PREFACE, settings());
    if (tls) (connection.socket as TLSSocket).renegotiate({}, () => undefined);
    return connection;
  },
};

it.each(GUARDED.flatMap(([name, making]) => Object.entries(STUBBORN).map(([what, open]) => ({ name, making, what, open }))))(
  '$name closes though a caller $what',
  async ({ making, open }) => {
    const guarded = await guardedDoor(making);
    await using _ = await open(guarded);
    await guarded.door.close({ graceMs: 0 });
    expect(guarded.conformance.reported).toEqual([]);
  },
);
