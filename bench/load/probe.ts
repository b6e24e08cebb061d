import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';

/** One call of the probe. */
export interface Probed {
  /** The `grpc-status`: 0 is OK. */
  readonly status: number;
  /** From request to the end of the answer. */
  readonly ms: number;
}

/** gRPC calls at a constant rate on a connection of their own, each with its status and time: what h2load does not tell apart. */
export async function probe(options: {
  readonly port: number;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  readonly perSecond: number;
  readonly seconds: number;
}): Promise<Probed[]> {
  const { port, path, headers, body, perSecond, seconds } = options;
  const session = connect(`http://127.0.0.1:${port}`);
  await once(session, 'connect');
  const fields = Object.fromEntries(headers.map((header) => header.split(/: (.*)/s, 2)));
  const calls: Promise<Probed>[] = [];
  const started = performance.now();
  for (let number = 0; number < perSecond * seconds; number += 1) {
    const wait = started + (number * 1000) / perSecond - performance.now();
    if (wait > 1) await delay(wait);
    calls.push(call(session, { ':method': 'POST', ':path': path, ...fields }, body));
  }
  const probed = await Promise.all(calls);
  session.close();
  return probed;
}

function call(session: ClientHttp2Session, headers: Record<string, string>, body: Uint8Array): Promise<Probed> {
  const started = performance.now();
  const stream = session.request(headers);
  let status = Number.NaN;
  const look = (received: Record<string, unknown>): void => {
    if (received['grpc-status'] !== undefined) status = Number(received['grpc-status']);
  };
  stream.on('response', look).on('trailers', look).resume();
  stream.end(body);
  return new Promise((resolve) => {
    const end = (): void => resolve({ status, ms: performance.now() - started });
    stream.once('close', end).on('error', end);
  });
}
