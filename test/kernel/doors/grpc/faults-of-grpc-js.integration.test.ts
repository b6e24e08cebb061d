import { gzipSync } from 'node:zlib';
import { logVerbosity, Metadata, Server, ServerCredentials, type ServerUnaryCall, setLogVerbosity } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { callRaw, frame } from '../../../support/raw-http2.ts';

/**
 * What the edge of the gRPC door mends, seen at a plain server of grpc-js. A test that fails here after an upgrade says that grpc-js has
 * mended it itself: the part of the edge that is named goes, and the test with it.
 */
const PATH = '/plain.v1.Service/Call';
const MESSAGE = Buffer.from('message');
const server = new Server();
let port: number;

beforeAll(async () => {
  setLogVerbosity(logVerbosity.NONE);
  const bytes = (message: Buffer): Buffer => message;
  server.addService(
    {
      call: {
        path: PATH,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      call: (call: ServerUnaryCall<Buffer, Buffer>, respond: (error: null, message: Buffer, trailer: Metadata) => void) => {
        const trailer = new Metadata();
        trailer.set('x-bin', Buffer.from('odd!'));
        respond(null, call.request, trailer);
      },
    },
  );
  port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
});
afterAll(() => server.forceShutdown());

const call = (body = frame(MESSAGE), headers = {}) => callRaw(port, { path: PATH, body, headers });

describe('wire-rules.ts is needed while grpc-js', () => {
  it('pads binary values', async () => {
    expect((await call()).headers['x-bin']).toMatch(/=$/);
  });

  it('sends a message with status 0', async () => {
    expect((await call()).headers).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'OK' });
  });
});

describe('request-form.ts is needed while grpc-js', () => {
  it.each(['PUT', 'PATCH'])('executes %s', async (verb) => {
    expect(await call(frame(MESSAGE), { ':method': verb })).toMatchObject({ httpStatus: 200, grpcStatus: 0 });
  });

  it.each(['application/grpc+json', 'application/grpc-web+proto'])('executes %s', async (type) => {
    expect(await call(frame(MESSAGE), { 'content-type': type })).toMatchObject({ httpStatus: 200, grpcStatus: 0 });
  });

  it('refuses an encoding without those that it knows', async () => {
    const answer = await call(frame(gzipSync(MESSAGE), { compressed: true }), { 'grpc-encoding': 'snappy' });
    expect(answer.grpcStatus).toBe(12);
    expect(answer.headers).not.toHaveProperty('grpc-accept-encoding');
  });
});

describe('compression-flags.ts is needed while grpc-js', () => {
  it('takes a message flagged as compressed for plain bytes', async () => {
    const answer = await call(frame(MESSAGE, { compressed: true }));
    expect(answer.grpcStatus).toBe(0);
    expect(answer.body.includes(MESSAGE)).toBe(true);
  });

  it('takes an unknown flag for none', async () => {
    const body = frame(MESSAGE);
    body.writeUInt8(2, 0);
    expect((await call(body)).grpcStatus).toBe(0);
  });
});

describe('library-errors.ts is needed while grpc-js', () => {
  it('calls half a message none', async () => {
    expect((await call(frame(MESSAGE).subarray(0, 7))).grpcStatus).toBe(12);
  });
});
