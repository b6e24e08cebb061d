import type { Socket } from 'node:net';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');

/**
 * Reads the first bytes of a connection and puts them back: true when they begin HTTP/2 with prior knowledge (RFC 9113, 3.3).
 * A connection that ends or fails before is destroyed and not decided upon. For how long it may be silent is up to the edge.
 */
export function speaksHttp2(socket: Socket, decide: (http2Spoken: boolean) => void): void {
  let seen = Buffer.alloc(0);
  const destroy = (): void => {
    socket.destroy();
  };
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, PREFACE.length);
    const http2Spoken = seen.subarray(0, compared).equals(PREFACE.subarray(0, compared));
    if (http2Spoken && compared < PREFACE.length) return;

    socket.off('readable', onReadable).off('end', destroy).off('error', destroy);
    socket.unshift(seen);
    decide(http2Spoken);
  };
  socket.on('readable', onReadable).on('end', destroy).on('error', destroy);
}
