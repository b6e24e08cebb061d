import { create } from '@bufbuild/protobuf';
import {
  type Client,
  createClient,
  createContextKey,
  createContextValues,
  decodeBinaryHeader,
  encodeBinaryHeader,
} from '@connectrpc/connect';
import { createAsyncIterable } from '@connectrpc/connect/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandService, CountRequestSchema, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { conformanceService } from '../../support/conformance-service.ts';
import { openDoors, SUBJECTS, type Subject } from '../../support/doors.ts';
import { eventually, settled } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';

const conformance = conformanceService();
const { aborted, reported, calls } = conformance;
let doors: Awaited<ReturnType<typeof openDoors>>;

beforeAll(async () => {
  doors = await openDoors(conformance);
});
afterAll(() => doors.close());

describe.each(SUBJECTS)('$name', ({ network, leavesByBreak, open }) => {
  let opened: ReturnType<Subject['open']>;
  let commands: Client<typeof CommandService>;
  let queries: Client<typeof QueryService>;

  beforeAll(() => {
    opened = open({ ...doors, conformance });
    commands = createClient(CommandService, opened.transport);
    queries = createClient(QueryService, opened.transport);
  });
  afterAll(() => opened.close?.());
  beforeEach(() => {
    for (const list of [aborted, reported, calls]) list.length = 0;
  });

  it('answers a command', async () => {
    const answer = await commands.echo({ text: 'grüße 🍋', payload: Uint8Array.of(0, 255, 1) });
    expect(answer.text).toBe('grüße 🍋');
    expect([...answer.payload]).toEqual([0, 255, 1]);
  });

  it('answers an empty message', async () => {
    expect((await commands.echo({})).text).toBe('');
  });

  it('answers a query', async () => {
    expect((await queries.ask({ text: 'what?' })).text).toBe('what?');
  });

  it('answers a large message', async () => {
    const text = 'x'.repeat(3_000_000);
    expect((await commands.echo({ text })).text).toHaveLength(3_000_000);
  });

  it('answers a stream in order', async () => {
    const values = await Array.fromAsync(queries.count({ upTo: 100 }), ({ value }) => value);
    expect(values).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it('answers a stream without messages', async () => {
    expect(await Array.fromAsync(queries.count({ upTo: 0 }))).toEqual([]);
  });

  it('gives the handler the metadata, binary values too', async () => {
    const bytes = Uint8Array.of(1, 2, 250);
    const headers = { 'x-fruit': 'lemon', 'x-raw-bin': encodeBinaryHeader(bytes) };
    const { metadata } = await commands.echo({}, { headers });
    expect(metadata['x-fruit']).toBe('lemon');
    expect(decodeBinaryHeader(metadata['x-raw-bin'] ?? '')).toEqual(bytes);
    expect(Object.keys(metadata).filter((key) => /^(:|grpc-deadline|grpc-unknown)/.test(key))).toEqual([]);
  });

  it('sends headers and trailers, binary values too', async () => {
    const bytes = Uint8Array.of(9, 0, 200);
    let header = new Headers();
    let trailer = new Headers();
    const options = {
      headers: {
        'echo-fruit': 'lemon',
        'trail-fruit': 'lime',
        'echo-raw-bin': encodeBinaryHeader(bytes),
        'trail-raw-bin': encodeBinaryHeader(bytes),
      },
      onHeader: (headers: Headers) => {
        header = headers;
      },
      onTrailer: (headers: Headers) => {
        trailer = headers;
      },
    };
    const read = () =>
      [header, trailer].map((from, index) => {
        const prefix = index === 0 ? 'echo' : 'trail';
        return [from.get(`${prefix}-fruit`), [...decodeBinaryHeader(from.get(`${prefix}-raw-bin`) ?? '')]];
      });
    const expected = [
      ['lemon', [9, 0, 200]],
      ['lime', [9, 0, 200]],
    ];
    await commands.echo({}, options);
    expect(read()).toEqual(expected);

    header = new Headers();
    trailer = new Headers();
    await Array.fromAsync(queries.count({ upTo: 2 }, options));
    expect(read()).toEqual(expected);
  });

  if (leavesByBreak) {
    it('stops the handler when the reader of a stream leaves', async () => {
      conformance.produced = 0;
      // Connect's client has no way to leave a stream; its transport has.
      const { count } = QueryService.method;
      const request = createAsyncIterable([create(CountRequestSchema, { upTo: FOREVER, delayMs: 10 })]);
      const { message } = await opened.transport.stream(count, undefined, undefined, undefined, request);
      for await (const { value } of message) if (value === 3) break;
      expect(await settled(() => conformance.produced)).toBeLessThan(FOREVER);
    });
  }

  if (!network) {
    it('cancels a call whose stream is left while its next message is awaited', async () => {
      const request = createAsyncIterable([create(CountRequestSchema, { upTo: 2, delayMs: FOREVER })]);
      const { message } = await opened.transport.stream(QueryService.method.count, undefined, undefined, undefined, request);
      const stream = message[Symbol.asyncIterator]();
      const awaited = stream.next().catch((error: Error) => error.name);
      await eventually(() => expect(calls).toHaveLength(1));
      await stream.return?.();
      expect([await awaited, conformance.openStreams]).toEqual(['ConnectError', 0]);
      await eventually(() => expect(aborted).toEqual(['CallCanceled']));
    });

    it('takes a timeout of 0 for none, as Connect does', async () => {
      expect((await commands.echo({ text: 'patient', delayMs: 5 }, { timeoutMs: 0 })).text).toBe('patient');
    });

    it('passes the context values of its caller on', async () => {
      const key = createContextKey('nobody');
      await commands.echo({}, { contextValues: createContextValues().set(key, 'ada') });
      expect(calls[0]?.contextValues.get(key)).toBe('ada');
    });
  }
});
