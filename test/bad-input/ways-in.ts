import { create, createRegistry, type DescMethod, fromBinary, fromJsonString, type MessageShape } from '@bufbuild/protobuf';
import { type Code, ConnectError, type Transport } from '@connectrpc/connect';
import { findTrailerError } from '@connectrpc/connect/protocol-grpc';
import { Http2SessionManager } from '@connectrpc/connect-node';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import { file_users_v1_events } from '../../gen/users/v1/events_pb.js';
import type { App } from '../../src/app.ts';
import { toHeaders } from '../../src/kernel/doors/grpc/metadata.ts';
import { inProcessTransport } from '../../src/kernel/doors/in-process.ts';
import { type Cast, ODD_METADATA } from './cast.ts';
import { encoded, jsonOf, likelyMessageOf, messageOf, sometimesBroken } from './generated-messages.ts';
import { connectOutcome, pathOf } from './raw-calls.ts';
import type { Line } from './raw-requests.ts';

/** A generated call, ready to be made. Rejects with the ConnectError that was answered, or when the answer cannot be understood. */
export interface Attempt {
  readonly send: () => Promise<unknown>;
  /** How fast-check shows it. */
  readonly [fc.toStringMethod]: () => string;
}

/** A door with what can come through it. */
export interface WayIn {
  readonly attempts: (method: DescMethod, cast: Cast) => fc.Arbitrary<Attempt>;
  readonly close: () => void;
}

/** What answers hold as `Any`. */
const EVENTS = createRegistry(file_users_v1_events);

export type Metadatas = Readonly<Record<string, string>>;

export function attempt<T>(request: T, send: (request: T) => Promise<unknown>): Attempt {
  return { send: () => send(request), [fc.toStringMethod]: () => fc.stringify(request) };
}

/** Few keys, so that they meet. */
const OF_THE_BUS = {
  'idempotency-key': fc.constantFrom('a', 'b', 'c', 'with space', 'x'.repeat(256)),
  'cqrs-dry-run': fc.constantFrom('true', 'false', 'maybe'),
  'cqrs-consistency': fc.constantFrom('strong', 'weak'),
};

/** The headers of a call by one of the cast; `protocol`: those that only one protocol knows. */
export function metadataOf(
  { authorization }: Cast,
  protocol: Readonly<Record<string, fc.Arbitrary<string>>> = {},
): fc.Arbitrary<Metadatas> {
  const known = fc.record({ ...OF_THE_BUS, ...protocol }, { requiredKeys: [] });
  const parts = fc.tuple(authorization, sometimes(ODD_METADATA), sometimes(known));
  return parts.map(([token, odd, ofProtocol]) => ({ ...odd, ...ofProtocol, ...(token && { authorization: token }) }));
}

export const sometimes = <T>(metadata: fc.Arbitrary<T>): fc.Arbitrary<T | object> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: metadata });

/** Messages as objects, straight into the bus. */
export function inProcess({ bus }: App): WayIn {
  const transport = inProcessTransport(bus);
  return {
    close: () => {},
    attempts: (method, cast) =>
      fc.record({ headers: metadataOf(cast), message: messageOf(method.input, cast.likely) }).map((request) =>
        attempt(request, async ({ headers, message }) => {
          const unary = method as DescMethod & { methodKind: 'unary' };
          return transport.unary(unary, undefined, undefined, headers, create(method.input, message) as MessageShape<never>);
        }),
      ),
  };
}

/** What those send who mean it well, by a client of Connect, over one connection. */
export function overClient(
  baseUrl: string,
  newTransport: (options: { baseUrl: string; sessionManager: Http2SessionManager }) => Transport,
): WayIn {
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = newTransport({ baseUrl, sessionManager });
  return {
    close: () => sessionManager.abort(),
    attempts: (method, { authorization, likely }) =>
      fc.record({ token: authorization, message: likelyMessageOf(method.input, likely) }).map((request) =>
        attempt(request, async ({ token, message }) => {
          const unary = method as DescMethod & { methodKind: 'unary' };
          const headers = token ? { authorization: token } : {};
          return transport.unary(unary, undefined, 30_000, headers, create(method.input, message) as MessageShape<never>);
        }),
      ),
  };
}

/** Values of a deadline's header, most of them no deadline. */
export const TIMEOUTS = fc.constantFrom('soon', '-1', '0', '0S', '99999999H', '999999999999', '2', '1m', '1e3');

/** Bytes to the gRPC door, by grpc-js's client. */
export function overGrpc({ grpcPort }: Pick<App, 'grpcPort'>): WayIn {
  const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;

  function call(method: DescMethod, headers: Metadatas, body: Uint8Array): Promise<unknown> {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(headers)) {
      metadata.set(key, key.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
    }
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(pathOf(method), same, same, Buffer.from(body), metadata, {}, (error, answer) => {
        if (error) reject(toConnectError(error));
        else if (answer) resolve(fromBinary(method.output, answer));
      });
    });
  }

  return {
    close: () => client.close(),
    attempts: (method, cast) => {
      const bytes = messageOf(method.input, cast.likely).map((message) => encoded(method.input, message));
      const timeouts = { 'grpc-timeout': TIMEOUTS };
      return fc
        .record({ headers: metadataOf(cast, timeouts), body: sometimesBroken(bytes) })
        .map((request) => attempt(request, ({ headers, body }) => call(method, headers, body)));
    },
  };
}

/** An error that grpc-js's client made by itself carries no trailers, and is none that a door answered. */
function toConnectError(error: ServiceError): Error {
  const answered = findTrailerError(toHeaders(error.metadata));
  return answered ?? new ConnectError(error.details, error.code as number as Code, undefined, undefined, error);
}

/** JSON, protobuf and queries in URLs to the Connect door. */
export function overConnect(line: Line): WayIn {
  const protocol = {
    'connect-timeout-ms': TIMEOUTS,
    'connect-protocol-version': fc.constantFrom('1', '2', 'one'),
    'x-odd': fc.constantFrom('caf\xe9', 'two\ttabs', '\xff\x80'),
    'accept-encoding': fc.constantFrom('gzip', 'br', 'identity', 'nonsense', '*;q=0'),
  };

  function requests(
    method: DescMethod,
    cast: Cast,
  ): fc.Arbitrary<{ encoding: string; body: Uint8Array; inUrl: boolean; base64: string }> {
    const json = jsonOf(method.input, cast.likely).map((text) => Buffer.from(text));
    const proto = messageOf(method.input, cast.likely).map((message) => encoded(method.input, message));
    const bodies = fc.oneof(
      { weight: 3, arbitrary: fc.record({ encoding: fc.constant('json'), body: sometimesBroken(json) }) },
      { weight: 1, arbitrary: fc.record({ encoding: fc.constant('proto'), body: sometimesBroken(proto) }) },
    );
    const inUrl = method.idempotency ? fc.boolean() : fc.constant(false);
    return fc.tuple(bodies, inUrl, fc.constantFrom('1', '1', '0', 'yes')).map(([body, isInUrl, base64]) => {
      // HTTP/1.1 servers take no more than 16 KiB of headers, the URL among them.
      return { ...body, inUrl: isInUrl && body.body.length < 4000, base64 };
    });
  }

  return {
    close: () => line.close(),
    attempts: (method, cast) =>
      fc.record({ headers: metadataOf(cast, protocol), request: requests(method, cast) }).map((generated) =>
        attempt(generated, async ({ headers, request: { encoding, body, inUrl, base64 } }) => {
          const path = inUrl ? `${pathOf(method)}?${query(encoding, body, base64)}` : pathOf(method);
          const post = { path, headers: { ...headers, 'content-type': `application/${encoding}` }, body };
          const answer = connectOutcome(await line.send(inUrl ? { method: 'GET', path, headers } : post));
          if (encoding === 'proto') return fromBinary(method.output, answer);
          return fromJsonString(method.output, Buffer.from(answer).toString(), { registry: EVENTS });
        }),
      ),
  };
}

function query(encoding: string, body: Uint8Array, base64: string): URLSearchParams {
  const message = Buffer.from(body).toString(base64 === '1' ? 'base64url' : 'utf8');
  return new URLSearchParams({ connect: 'v1', encoding, base64, message });
}
