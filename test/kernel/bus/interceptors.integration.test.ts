import { setTimeout as sleep } from 'node:timers/promises';
import { create, type Message } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type Interceptor,
  type StreamResponse,
  type Transport,
  type UnaryRequest,
} from '@connectrpc/connect';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CommandService,
  CountResponseSchema,
  type EchoRequest,
  type EchoResponse,
  QueryService,
} from '../../gen/conformance/v1/conformance_pb.js';
import { type Conformance, conformanceService } from '../../support/conformance-service.ts';
import { openDoors, SUBJECTS } from '../../support/doors.ts';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';

const WAYS = SUBJECTS.filter(({ name }) =>
  ['gRPC door, grpc-js client', 'Connect door, Connect JSON, HTTP/1.1', 'Connect door, gRPC', 'in process'].includes(name),
);

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The services of the doors' tests, with these interceptors around their handlers. */
async function serve(subject: (typeof WAYS)[number], ...interceptors: Interceptor[]) {
  const conformance = conformanceService(interceptors);
  const doors = await openDoors(conformance);
  ends.push(doors.close);
  const { transport, close } = subject.open({ ...doors, conformance });
  if (close) ends.push(close);
  return { conformance, ...clientsOf(transport) };
}

const clientsOf = (transport: Transport) => ({
  commands: createClient(CommandService, transport),
  queries: createClient(QueryService, transport),
});

async function read(stream: AsyncIterable<{ value: number }>): Promise<number[]> {
  const values: number[] = [];
  for await (const { value } of stream) values.push(value);
  return values;
}

/** What a caller is told beside the messages of a stream. */
function metadata() {
  const seen = { header: new Headers(), trailer: new Headers() };
  return {
    seen,
    options: {
      onHeader: (header: Headers) => {
        seen.header = header;
      },
      onTrailer: (trailer: Headers) => {
        seen.trailer = trailer;
      },
    },
  };
}

/** The interceptors are those of Connect's documentation, as they stand there, but for what they print to. */
describe.each(WAYS)("an interceptor of Connect's documentation, $name", (subject) => {
  it('logs requests and answers', async () => {
    const printed: unknown[] = [];
    const logger: Interceptor = (next) => async (req) => {
      printed.push(`received message on ${req.url.replace(/^.*\//, '')}`);
      const res = await next(req);
      if (!res.stream) {
        printed.push(res.message.$typeName);
      }
      return res;
    };
    const { commands, queries } = await serve(subject, logger);
    expect(await commands.echo({ text: 'hello' })).toMatchObject({ text: 'hello' });
    expect(await read(queries.count({ upTo: 3 }))).toEqual([1, 2, 3]);
    expect(printed).toEqual(['received message on Echo', 'conformance.v1.EchoResponse', 'received message on Count']);
  });

  it('logs each message of a stream by a copy of the response', async () => {
    const printed: unknown[] = [];
    const logger: Interceptor = (next) => async (req) => {
      const res = await next(req);
      if (res.stream) {
        // to intercept streaming response messages, we wrap
        // the AsynchronousIterable with a generator function
        return {
          ...res,
          message: logEach(res.message),
        };
      }
      return res;
    };
    async function* logEach(stream: AsyncIterable<Message>) {
      for await (const m of stream) {
        printed.push((m as Message & { value: number }).value);
        yield m;
      }
    }
    const { queries } = await serve(subject, logger);
    expect(await read(queries.count({ upTo: 3 }))).toEqual([1, 2, 3]);
    expect(printed).toEqual([1, 2, 3]);
    expect(await queries.ask({ text: 'why' })).toMatchObject({ text: 'why' });
  });

  it('refuses by a ConnectError, and passes a value to the handler', async () => {
    const kUser = createContextKey<string>('Anonymous');
    const authenticator: Interceptor = (next) => async (req) => {
      const user = req.header.get('Authorization');
      if (user === null) {
        throw new ConnectError('User not authenticated', Code.Unauthenticated);
      }
      req.contextValues.set(kUser, user);
      return await next(req);
    };
    const { conformance, commands, queries } = await serve(subject, authenticator);
    const refused = { code: 'Unauthenticated', reason: 'UNAUTHENTICATED' };
    expect(await refusalOf(commands.echo({}))).toMatchObject(refused);
    expect(await refusalOf(read(queries.count({ upTo: 1 })))).toMatchObject(refused);
    expect(conformance.reported).toEqual([]);
    await commands.echo({}, { headers: { authorization: 'Ada' } });
    expect(await read(queries.count({ upTo: 1 }, { headers: { authorization: 'Ada' } }))).toEqual([1]);
    expect(conformance.calls.map(({ contextValues }) => contextValues.get(kUser))).toEqual(['Ada', 'Ada']);
  });
});

describe.each(WAYS)('an interceptor, $name', (subject) => {
  it('adds headers to the request: in place, and by a copy', async () => {
    const inPlace: Interceptor = (next) => (req) => {
      req.header.set('x-first', 'in place');
      return next(req);
    };
    const byCopy: Interceptor = (next) => (req) => {
      const header = new Headers(req.header);
      header.set('x-second', 'by a copy');
      return next({ ...req, header });
    };
    const { conformance, commands, queries } = await serve(subject, inPlace, byCopy);
    const { metadata: seen } = await commands.echo({});
    expect(seen).toMatchObject({ 'x-first': 'in place', 'x-second': 'by a copy' });
    await read(queries.count({ upTo: 1 }));
    for (const call of conformance.calls) {
      expect([call.headerValue('x-first'), call.headerValue('x-second')]).toEqual(['in place', 'by a copy']);
      expect([...call.headerNames]).toEqual(expect.arrayContaining(['x-first', 'x-second']));
    }
  });

  it('replaces the message of the request', async () => {
    const shout: Interceptor = (next) => async (req) => {
      if (!req.stream) return await next({ ...req, message: { ...req.message, text: 'LOUD' } as EchoRequest });
      return await next({ ...req, message: upTo(req.message, 2) });
    };
    async function* upTo(messages: AsyncIterable<Message>, most: number) {
      for await (const message of messages) yield { ...message, upTo: most };
    }
    const { commands, queries } = await serve(subject, shout);
    expect(await commands.echo({ text: 'quiet' })).toMatchObject({ text: 'LOUD' });
    expect(await read(queries.count({ upTo: 5 }))).toEqual([1, 2]);
  });

  it('replaces the message of the answer, and sets headers and trailers', async () => {
    const stamp: Interceptor = (next) => async (req) => {
      const res = await next(req);
      res.header.set('x-header', 'of the answer');
      res.trailer.set('x-trailer', 'after it');
      if (res.stream) return { ...res, message: doubled(res.message) };
      return { ...res, message: { ...res.message, text: 'another' } as EchoResponse };
    };
    async function* doubled(messages: AsyncIterable<Message>) {
      for await (const message of messages) yield { ...message, value: 2 * (message as Message & { value: number }).value };
    }
    const { commands, queries } = await serve(subject, stamp);
    for (const call of [
      async (options: object) => expect(await commands.echo({}, options)).toMatchObject({ text: 'another' }),
      async (options: object) => expect(await read(queries.count({ upTo: 2 }, options))).toEqual([2, 4]),
    ]) {
      const { seen, options } = metadata();
      await call(options);
      expect([seen.header.get('x-header'), seen.trailer.get('x-trailer')]).toEqual(['of the answer', 'after it']);
    }
  });

  it('sets a trailer after the last message of a stream', async () => {
    const count: Interceptor = (next) => async (req) => {
      const res = await next(req);
      return res.stream ? { ...res, message: counted(res) } : res;
    };
    async function* counted({ message, trailer }: StreamResponse) {
      let sent = 0;
      for await (const each of message) {
        sent += 1;
        yield each;
      }
      trailer.set('x-sent', String(sent));
    }
    const { queries } = await serve(subject, count);
    const { seen, options } = metadata();
    await read(queries.count({ upTo: 4 }, options));
    expect(seen.trailer.get('x-sent')).toBe('4');
  });

  it('answers by itself', async () => {
    const cache: Interceptor = () => async (req) => {
      const head = { service: req.service, header: new Headers({ 'x-cache': 'hit' }), trailer: new Headers() };
      if (req.stream) return { ...head, stream: true, method: req.method, message: kept() };
      return {
        ...head,
        stream: false,
        method: req.method,
        message: create(req.method.output, { text: 'kept' } as Record<string, unknown>),
      };
    };
    async function* kept() {
      yield create(CountResponseSchema, { value: 7 });
    }
    const { conformance, commands, queries } = await serve(subject, cache);
    const { seen, options } = metadata();
    expect(await commands.echo({}, options)).toMatchObject({ text: 'kept' });
    expect(seen.header.get('x-cache')).toBe('hit');
    expect(await read(queries.count({ upTo: 1 }))).toEqual([7]);
    expect(conformance.calls).toEqual([]);
  });

  it('tries again what failed, by the code of the ConnectError that it meets', async () => {
    let tries = 0;
    const mended: Interceptor = (next) => async (req) => {
      tries += 1;
      return await next(tries < 3 ? req : ({ ...req, message: { ...req.message, failWith: '' } as EchoRequest } as UnaryRequest));
    };
    const retry: Interceptor = (next) => async (req) => {
      for (;;) {
        try {
          return await next(req);
        } catch (error) {
          if (!(error instanceof ConnectError) || error.code !== Code.Unavailable) throw error;
        }
      }
    };
    const { commands, queries, conformance } = await serve(subject, retry, mended);
    expect(await commands.echo({ failWith: 'unavailable' })).toMatchObject({ text: '' });
    expect(tries).toBe(3);
    tries = 0;
    expect(await queries.ask({ failWith: 'unavailable' })).toMatchObject({ text: '' });
    expect(conformance.calls).toHaveLength(6);
  });

  it('passes errors on as they were, with what it wrote into their metadata', async () => {
    const note: Interceptor = (next) => async (req) => {
      try {
        const res = await next(req);
        return res.stream ? { ...res, message: noted(res.message) } : res;
      } catch (error) {
        throw noting(error);
      }
    };
    const noting = (error: unknown) => {
      if (error instanceof ConnectError) error.metadata.set('x-seen', 'by the interceptor');
      return error;
    };
    async function* noted(messages: AsyncIterable<Message>) {
      try {
        yield* messages;
      } catch (error) {
        throw noting(error);
      }
    }
    const { commands, queries, conformance } = await serve(subject, note);
    const planned = await commands.echo({ failWith: 'not-found' }).catch((error: ConnectError) => error);
    expect((planned as ConnectError).metadata.get('x-seen')).toBe('by the interceptor');
    expect(await refusalOf(Promise.reject(planned))).toMatchObject({ code: 'NotFound', reason: 'FAILURE' });
    const streamed = await read(queries.count({ upTo: 3, failAfter: 1 })).catch((error: ConnectError) => error);
    expect((streamed as ConnectError).metadata.get('x-seen')).toBe('by the interceptor');
    expect(await refusalOf(commands.echo({ failWith: 'bug' }))).toMatchObject({ code: 'Internal', reason: 'INTERNAL' });
    expect(conformance.reported).toHaveLength(1);
  });

  it('recovers from an error', async () => {
    const recover: Interceptor = (next) => async (req) => {
      try {
        return await next(req);
      } catch {
        return await next({ ...req, message: { ...req.message, failWith: '', text: 'instead' } as EchoRequest } as UnaryRequest);
      }
    };
    const { commands } = await serve(subject, recover);
    expect(await commands.echo({ failWith: 'conflict' })).toMatchObject({ text: 'instead' });
  });

  it('aborts what is inside of it by a signal', async () => {
    const impatient: Interceptor = (next) => async (req) => {
      return await next({ ...req, signal: AbortSignal.any([req.signal, AbortSignal.timeout(50)]) });
    };
    const { conformance, commands, queries } = await serve(subject, impatient);
    expect(await refusalOf(commands.echo({ delayMs: 60_000 }))).toMatchObject({ reason: 'DEADLINE_PASSED' });
    expect(await refusalOf(read(queries.count({ upTo: 2, delayMs: 60_000 })))).toMatchObject({ reason: 'DEADLINE_PASSED' });
    await eventually(() => expect(conformance.aborted).toEqual(['DeadlinePassed', 'DeadlinePassed']));
    await commands.echo({});
    await sleep(60);
    expect(conformance.calls.at(-1)?.cancellation.reason).toBeUndefined();
  });

  it('gives its own context values to what is inside, which keeps those of outside', async () => {
    const outer = createContextKey('none');
    const inner = createContextKey('none');
    const first: Interceptor = (next) => (req) => {
      req.contextValues.set(outer, 'kept');
      return next(req);
    };
    const second: Interceptor = (next) => (req) => next({ ...req, contextValues: createContextValues().set(inner, 'new') });
    const { conformance, commands } = await serve(subject, first, second);
    await commands.echo({});
    const [call] = conformance.calls;
    expect([call?.contextValues.get(outer), call?.contextValues.get(inner)]).toEqual(['kept', 'new']);
  });

  it('leaves nothing behind when the reader leaves a stream that it wraps', async () => {
    const wrap: Interceptor = (next) => async (req) => {
      const res = await next(req);
      return res.stream ? { ...res, message: passed(res.message) } : res;
    };
    async function* passed(messages: AsyncIterable<Message>) {
      yield* messages;
    }
    const { conformance, queries } = await serve(subject, wrap, wrap);
    const leave = new AbortController();
    const reading = (async () => {
      for await (const _ of queries.count({ upTo: 1_000_000, delayMs: 1 }, { signal: leave.signal })) leave.abort();
    })();
    await expect(reading).rejects.toThrow();
    await eventually(() =>
      expect(conformance).toMatchObject({ openStreams: 0, aborted: [expect.any(String)] } satisfies Partial<
        Record<keyof Conformance, unknown>
      >),
    );
  });
});

it('closes the stream inside when an interceptor never reads it, and when it fails', async () => {
  const [inProcess] = WAYS.filter(({ name }) => name === 'in process');
  if (!inProcess) throw new Error('there is no door in process');
  let returned = 0;
  const watched: Interceptor = (next) => async (req) => {
    const res = await next(req);
    if (!res.stream) return res;
    const iterator = res.message[Symbol.asyncIterator]();
    const message = {
      [Symbol.asyncIterator]: () => ({
        next: () => iterator.next(),
        return: async () => {
          returned += 1;
          return (await iterator.return?.()) ?? { done: true as const, value: undefined };
        },
      }),
    };
    return { ...res, message };
  };
  const replacing: Interceptor = (next) => async (req) => {
    const res = await next(req);
    return res.stream ? { ...res, message: nothing() } : res;
  };
  async function* nothing() {}
  const replaced = await serve(inProcess, replacing, watched);
  expect(await read(replaced.queries.count({ upTo: 3 }))).toEqual([]);
  expect(returned).toBe(1);

  const failing: Interceptor = (next) => async (req) => {
    await next(req);
    throw new ConnectError('not today', Code.PermissionDenied);
  };
  const failed = await serve(inProcess, failing, watched);
  expect(await refusalOf(read(failed.queries.count({ upTo: 3 })))).toMatchObject({ code: 'PermissionDenied' });
  expect(returned).toBe(2);
});
