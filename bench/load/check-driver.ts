import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { buffer } from 'node:stream/consumers';
import { DIGITS } from './bodies.ts';
import { H2loadError } from './h2load.ts';
import { runLoad } from './run-load.ts';

const BODY = new RegExp(`^\\d{${DIGITS}}/\\d{${DIGITS}}$`);
const LEAST_BODIES = 50;

/** Makes sure that h2load is there and sends what its file holds at the time of each call. Throws H2loadError. */
export async function checkDriver(): Promise<void> {
  const seen = new Set<string>();
  let malformed = 0;
  const server = createServer();
  server.on('stream', async (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    // At the end h2load leaves in the middle of its last calls.
    const body = await buffer(stream).catch(() => undefined);
    if (body === undefined || stream.destroyed) return;
    if (BODY.test(body.toString())) seen.add(body.toString());
    else malformed += 1;
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new H2loadError('no port to try h2load on');
    const template = (user: string, serial: string): Uint8Array => Buffer.from(`${user}/${serial}`);
    await runLoad({
      port: address.port,
      path: '/',
      headers: [],
      requests: { kind: 'changing', template, users: 10_000 },
      processes: 2,
      connections: 1,
      streams: 2,
      warmUpMs: 0,
      durationMs: 300,
    });
  } finally {
    server.close();
  }
  if (malformed > 0 || seen.size < LEAST_BODIES)
    throw new H2loadError(
      `This h2load does not read its body from the file for each call (${seen.size} bodies seen, ${malformed} malformed); 1.52 does.`,
    );
}
