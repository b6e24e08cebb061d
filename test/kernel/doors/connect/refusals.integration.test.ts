import { once } from 'node:events';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import {
  CountRequestSchema,
  CountResponseSchema,
  EchoRequestSchema,
  EchoResponseSchema,
} from '../../../gen/conformance/v1/conformance_pb.js';
import { conformanceService } from '../../../support/conformance-service.ts';
import { callRaw, frame, openCall, withSession } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const ASK = '/conformance.v1.QueryService/Ask';
const COUNT = '/conformance.v1.QueryService/Count';
const UNKNOWN = '/conformance.v1.QueryService/Nothing';

const conformance = conformanceService();
const door = createConnectDoor(conformance);
let port: number;

beforeAll(async () => {
  port = await door.listen('127.0.0.1:0');
});
afterAll(() => door.close({ graceMs: 0 }));
beforeEach(() => {
  conformance.calls.length = 0;
});

/** What an answer says in the protocol that was spoken. */
interface Said {
  readonly code: number | string | undefined;
  readonly reason: string | undefined;
}

interface ConnectError {
  readonly code?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

const CONNECT_TYPES = ['application/json', 'application/proto'];
const STREAM_TYPES = ['application/connect+json', 'application/connect+proto'];
const WEB_TYPES = ['application/grpc-web', 'application/grpc-web+proto', 'application/grpc-web+json'];
const TEXT_TYPES = ['application/grpc-web-text', 'application/grpc-web-text+proto'];

async function send(verb: string, path: string, type: string | undefined, body?: Uint8Array<ArrayBuffer>) {
  const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: verb, headers, body: body ?? null });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes };
}

function saidInJson(json: string): Said {
  const { code, details } = JSON.parse(json) as ConnectError;
  const info = details?.find(({ type }) => type === ErrorInfoSchema.typeName);
  return { code, reason: info && fromBinary(ErrorInfoSchema, Buffer.from(info.value, 'base64')).reason };
}

function saidInStatus(status: string | undefined, details: string | undefined): Said {
  const any = fromBinary(StatusSchema, Buffer.from(details ?? '', 'base64')).details[0];
  return { code: Number(status), reason: any && fromBinary(ErrorInfoSchema, any.value).reason };
}

function saidInFrames(frames: Buffer): Said {
  for (let at = 0; at < frames.length; at += 5 + frames.readUInt32BE(at + 1)) {
    if (frames.readUInt8(at) !== 0x80) continue;
    const lines = frames
      .subarray(at + 5)
      .toString()
      .trim()
      .split('\r\n');
    const trailers = Object.fromEntries(lines.map((line) => line.split(': ', 2)));
    return saidInStatus(trailers['grpc-status'], trailers['grpc-status-details-bin']);
  }
  throw new Error('no trailers');
}

describe('an unknown method', () => {
  const unknown = { code: Code.Unimplemented, reason: 'METHOD_UNKNOWN' };

  it.each(CONNECT_TYPES)('is said in Connect (%s)', async (type) => {
    const { status, headers, bytes } = await send('POST', UNKNOWN, type, Buffer.alloc(0));
    expect([status, headers.get('content-type')]).toEqual([404, 'application/json']);
    expect(saidInJson(String(bytes))).toEqual({ code: 'unimplemented', reason: 'METHOD_UNKNOWN' });
  });

  it.each(STREAM_TYPES)('is said at the end of a stream of Connect (%s)', async (type) => {
    const { status, headers, bytes } = await send('POST', UNKNOWN, type, frame(Buffer.alloc(0)) as Buffer<ArrayBuffer>);
    expect([status, headers.get('content-type'), bytes.readUInt8(0)]).toEqual([200, type, 2]);
    const { error } = JSON.parse(String(bytes.subarray(5)));
    expect(saidInJson(JSON.stringify(error))).toEqual({ code: 'unimplemented', reason: 'METHOD_UNKNOWN' });
  });

  it.each(['application/grpc', 'application/grpc+proto', 'application/grpc+json'])('is said in gRPC (%s)', async (type) => {
    const answer = await callRaw(port, { path: UNKNOWN, body: frame(Buffer.alloc(0)), headers: { 'content-type': type } });
    expect([answer.httpStatus, answer.headers['content-type']]).toEqual([200, type]);
    expect({ code: answer.grpcStatus, reason: answer.reason }).toEqual(unknown);
  });

  it.each(WEB_TYPES)('is said in gRPC-Web (%s)', async (type) => {
    const { status, headers, bytes } = await send('POST', UNKNOWN, type, frame(Buffer.alloc(0)) as Buffer<ArrayBuffer>);
    expect([status, headers.get('content-type')]).toEqual([200, type]);
    expect(saidInFrames(bytes)).toEqual(unknown);
  });

  it.each(TEXT_TYPES)('is said in gRPC-Web in base64 (%s)', async (type) => {
    const { status, headers, bytes } = await send('POST', UNKNOWN, type, Buffer.from('AAAAAAA='));
    expect([status, headers.get('content-type')]).toEqual([200, type]);
    expect(saidInFrames(Buffer.from(String(bytes), 'base64'))).toEqual(unknown);
  });

  it('is said in JSON to a browser', async () => {
    const { status, bytes } = await send('GET', UNKNOWN, undefined);
    expect([status, saidInJson(String(bytes)).reason]).toEqual([404, 'METHOD_UNKNOWN']);
  });
});

describe('a verb that an rpc is not called by', () => {
  it.each([
    ['PUT', ECHO, 'POST'],
    ['DELETE', ECHO, 'POST'],
    ['GET', ECHO, 'POST'],
    ['PATCH', ASK, 'POST, GET'],
    ['GET', COUNT, 'POST'],
  ])('%s %s', async (verb, path, allow) => {
    for (const type of ['application/json', undefined]) {
      const { status, headers, bytes } = await send(verb, path, type);
      expect([status, headers.get('allow')]).toEqual([405, allow]);
      expect(saidInJson(String(bytes))).toEqual({ code: 'unknown', reason: 'HTTP_VERB_UNSUPPORTED' });
    }
    expect(conformance.calls).toEqual([]);
  });

  it('is said in gRPC', async () => {
    const answer = await callRaw(port, { path: ECHO, body: frame(Buffer.alloc(0)), headers: { ':method': 'PUT' } });
    expect(answer).toMatchObject({ httpStatus: 405, grpcStatus: Code.Unknown, reason: 'HTTP_VERB_UNSUPPORTED' });
  });

  it('has no body when it is HEAD', async () => {
    const { status, bytes } = await send('HEAD', ECHO, 'application/json');
    expect([status, bytes.length]).toEqual([405, 0]);
  });
});

describe('a content type that is not served', () => {
  const refused = { code: 'unknown', reason: 'CONTENT_TYPE_UNSUPPORTED' };

  it.each(['image/jpeg', 'text/plain', 'application/x-www-form-urlencoded', 'application/grpcurl', 'nonsense'])(
    'is answered with problem details (%s)',
    async (type) => {
      const { status, headers, bytes } = await send('POST', ECHO, type, Buffer.from('{}'));
      expect([status, headers.get('content-type')]).toEqual([415, 'application/problem+json']);
      expect(JSON.parse(String(bytes))).toMatchObject({ status: 415, title: 'Unsupported Media Type' });
      expect(headers.get('accept')).toContain('application/json');
      expect(saidInJson(String(bytes))).toEqual(refused);
      expect(conformance.calls).toEqual([]);
    },
  );

  it.each([
    [ECHO, 'application/json; charset=latin1'],
    [COUNT, 'application/json'],
  ])('is answered in JSON (%s %s)', async (path, type) => {
    const { status, bytes } = await send('POST', path, type, Buffer.from('{}'));
    expect([status, saidInJson(String(bytes))]).toEqual([415, refused]);
  });

  it.each([...WEB_TYPES.slice(0, 1), ...TEXT_TYPES.slice(0, 1)])('is said in gRPC-Web (%s+xml)', async (type) => {
    const { status, headers, bytes } = await send('POST', ECHO, `${type}+xml`, Buffer.alloc(0));
    expect([status, headers.get('content-type')]).toEqual([415, `${type}+xml`]);
    const frames = type.includes('text') ? Buffer.from(String(bytes), 'base64') : bytes;
    expect(saidInFrames(frames)).toEqual({ code: Code.Unknown, reason: 'CONTENT_TYPE_UNSUPPORTED' });
  });
});

describe('a compression that is not known', () => {
  it.each([
    [ECHO, 'application/json', 'content-encoding', 'accept-encoding'],
    [COUNT, 'application/connect+json', 'connect-content-encoding', 'connect-accept-encoding'],
    [ECHO, 'application/grpc-web', 'grpc-encoding', 'grpc-accept-encoding'],
  ])('is refused with those that are (%s %s)', async (path, type, encoding, accepted) => {
    const headers = { 'content-type': type, [encoding]: 'snappy' };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: '{}' });
    expect(response.headers.get(accepted)).toBe('gzip,br');
    expect(await response.text()).toMatch(/NOT_IMPLEMENTED|grpc-status: 12/);
    expect(conformance.calls).toEqual([]);
  });
});

describe('a flag that no request has', () => {
  const refused = { code: Code.InvalidArgument, reason: 'MALFORMED_REQUEST' };
  const flagged = (flag: number, message = Buffer.alloc(0)): Buffer<ArrayBuffer> => {
    const bytes = Buffer.from(frame(message));
    bytes.writeUInt8(flag, 0);
    return bytes;
  };
  const good = Buffer.from(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'x'.repeat(300) })));
  afterEach(() => expect(conformance.calls.length).toBe(0));

  describe.each([2, 4, 128, 130])('%d', (flag) => {
    it.each([ECHO, COUNT])('is refused in gRPC (%s)', async (path) => {
      const answer = await callRaw(port, { path, body: flagged(flag) });
      expect({ code: answer.grpcStatus, reason: answer.reason }).toEqual(refused);
    });

    it('is refused in gRPC before a second message, and when the bytes come one by one', async () => {
      const sent = Buffer.concat([frame(good), flagged(flag, good)]);
      for (const bytes of [[sent], Array.from(sent, (byte) => Uint8Array.of(byte))]) {
        const trailers = await withSession(port, async (session) => {
          const stream = openCall(session, ECHO);
          let received: Record<string, unknown> = {};
          const take = (headers: Record<string, unknown>): void => {
            received = headers;
          };
          stream.on('response', take).on('trailers', take).resume();
          const ended = once(stream, 'close');
          for (const part of bytes) stream.write(part);
          stream.end();
          await ended;
          return received;
        });
        expect(saidInStatus(String(trailers['grpc-status']), String(trailers['grpc-status-details-bin']))).toEqual(refused);
      }
    });

    it('is refused in gRPC-Web, and in base64', async () => {
      const web = await send('POST', ECHO, 'application/grpc-web', flagged(flag));
      expect(saidInFrames(web.bytes)).toEqual(refused);
      const text = await send('POST', ECHO, 'application/grpc-web-text', Buffer.from(flagged(flag).toString('base64')));
      expect(saidInFrames(Buffer.from(String(text.bytes), 'base64'))).toEqual(refused);
    });

    it('is refused in a stream of Connect', async () => {
      const { bytes } = await send('POST', COUNT, 'application/connect+proto', flagged(flag));
      const { error } = JSON.parse(String(bytes.subarray(5)));
      expect(saidInJson(JSON.stringify(error))).toEqual({ code: 'invalid_argument', reason: 'MALFORMED_REQUEST' });
    });
  });
});

describe('a media type', () => {
  it.each([
    'application/json; charset="utf-8"',
    'application/json ; charset=utf-8',
    'application/json;charset=UTF-8; version=1',
    'APPLICATION/JSON',
  ])('is read as RFC 9110 says (%s)', async (type) => {
    const { status, bytes } = await send('POST', ECHO, type, Buffer.from('{"text":"typed"}'));
    expect([status, JSON.parse(String(bytes)).text]).toEqual([200, 'typed']);
  });
});

describe('gRPC-Web in base64', () => {
  const message = (text: string): Buffer => frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text })));
  const frames = (text: string): Buffer[] => {
    const bytes = Buffer.concat(text.split(/(?<==)(?!=)/).map((part) => Buffer.from(part, 'base64')));
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt32BE(at + 1)) {
      found.push(bytes.subarray(at, at + 5 + bytes.readUInt32BE(at + 1)));
    }
    return found;
  };

  it.each(TEXT_TYPES)('is served (%s)', async (type) => {
    for (const text of ['', 'a', 'ab', 'abc']) {
      const { status, headers, bytes } = await send('POST', ECHO, type, Buffer.from(message(text).toString('base64')));
      expect([status, headers.get('content-type')]).toEqual([200, 'application/grpc-web-text+proto']);
      const [answer, trailers] = frames(String(bytes));
      expect(fromBinary(EchoResponseSchema, answer?.subarray(5) ?? Buffer.alloc(0)).text).toBe(text);
      expect(String(trailers?.subarray(5))).toContain('grpc-status: 0');
    }
  });

  it('is read in parts that are padded each', async () => {
    const whole = message('in parts');
    const parts = [whole.subarray(0, 5), whole.subarray(5, 6), whole.subarray(6)].map((part) => part.toString('base64'));
    const { bytes } = await send('POST', ECHO, 'application/grpc-web-text', Buffer.from(parts.join('')));
    const [answer] = frames(String(bytes));
    expect(fromBinary(EchoResponseSchema, answer?.subarray(5) ?? Buffer.alloc(0)).text).toBe('in parts');
  });

  it('is written in parts that can be decoded as they come', async () => {
    const request = frame(toBinary(CountRequestSchema, create(CountRequestSchema, { upTo: 3 })));
    const { bytes } = await send('POST', COUNT, 'application/grpc-web-text', Buffer.from(request.toString('base64')));
    const answers = frames(String(bytes)).slice(0, -1);
    expect(answers.map((answer) => fromBinary(CountResponseSchema, answer.subarray(5)).value)).toEqual([1, 2, 3]);
  });

  it('says its errors', async () => {
    const body = frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { failWith: 'conflict' })));
    const { bytes } = await send('POST', ECHO, 'application/grpc-web-text', Buffer.from(body.toString('base64')));
    expect(saidInFrames(Buffer.concat(frames(String(bytes))))).toEqual({ code: Code.Aborted, reason: 'FAILURE' });
  });

  it.each(['AAAAAAA', '%%%%', 'AA=A', 'A===', 'AAAAAAA=\n'])('refuses what is not base64 (%j)', async (text) => {
    const { bytes } = await send('POST', ECHO, 'application/grpc-web-text', Buffer.from(text));
    expect(saidInFrames(Buffer.concat(frames(String(bytes))))).toEqual({
      code: Code.InvalidArgument,
      reason: 'MALFORMED_REQUEST',
    });
    expect(conformance.calls).toEqual([]);
  });
});
