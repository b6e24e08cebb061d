import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** 64 MiB that are 64 KiB on the wire. */
export const BOMB = gzipSync(Buffer.alloc(64 * 1024 * 1024));

/** The same bytes in every run. */
export function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 42;
  for (let index = 0; index < length; index += 1) {
    state = (state * 1103515245 + 12345) % 2147483648;
    bytes[index] = state >> 16;
  }
  return bytes;
}

/** Sends bytes to a port, waits until they are answered or the connection is closed, and answers what came. */
export async function throwBytes(port: number, ...chunks: (Uint8Array | string)[]): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  const answered = new Promise((resolve) => socket.once('data', resolve));
  await once(socket, 'connect');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const chunk of chunks) if (socket.writable) socket.write(chunk);
  await Promise.race([closed, answered.then(() => sleep(50)), sleep(1500)]);
  socket.destroy();
  await closed;
  return Buffer.concat(received).toString('latin1');
}
