import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** Frames of HTTP/2 as bytes (RFC 9113, 4.1 and 6), so that each can be left out, be wrong, or come too often. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
};
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 };
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frameOf(type: number, { flags = 0, stream = 0, payload = Buffer.alloc(0) }: Partial<Frame> = {}): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const settings = (): Buffer => frameOf(FRAME.settings);
export const ping = (): Buffer => frameOf(FRAME.ping, { payload: Buffer.alloc(8) });
export const data = (stream: number, payload: Buffer, flags = 0): Buffer => frameOf(FRAME.data, { stream, payload, flags });
export const reset = (stream: number): Buffer => frameOf(FRAME.reset, { stream, payload: Buffer.from([0, 0, 0, 8]) });

/** The header of a request, in HPACK without compression (RFC 7541, 6.2.2). */
export function headers(stream: number, fields: Readonly<Record<string, string>>, flags = FLAG.endHeaders): Buffer {
  const all = { ':method': 'POST', ':scheme': 'http', ':authority': 'localhost', ...fields };
  const payload = Buffer.concat(Object.entries(all).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
  return frameOf(FRAME.headers, { stream, payload, flags });
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const { length } = bytes;
  if (length < 127) return Buffer.concat([Buffer.of(length), bytes]);
  const rest: number[] = [];
  for (let left = length - 127; ; left = Math.floor(left / 128)) {
    rest.push(left >= 128 ? (left % 128) + 128 : left);
    if (left < 128) return Buffer.concat([Buffer.of(127, ...rest), bytes]);
  }
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A connection to a door on which a test says every byte. */
export class RawConnection implements AsyncDisposable {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket
      .on('error', () => undefined)
      .on('data', (chunk: Buffer) => {
        this.#received = Buffer.concat([this.#received, chunk]);
      });
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  /** With `tls`, the handshake is done. `from` is the address to come from, any of 127.0.0.0/8. */
  static async open(port: number, tls?: ConnectionOptions, from?: string): Promise<RawConnection> {
    const to = { port, host: '127.0.0.1', localAddress: from };
    const socket = tls ? connectTls({ ...to, servername: 'localhost', ...tls }) : connectTcp(to);
    const connection = new RawConnection(socket);
    await Promise.race([once(socket, tls ? 'secureConnect' : 'connect'), connection.closed]);
    return connection;
  }

  /** Also when the other side has hung up. */
  send(...parts: readonly (Uint8Array | string)[]): void {
    for (const part of parts) if (this.socket.writable) this.socket.write(part);
  }

  /** Resolves when the bytes are on their way, or never will be. */
  async flush(): Promise<void> {
    if (this.socket.writableNeedDrain) await Promise.race([once(this.socket, 'drain'), this.closed]);
  }

  get text(): string {
    return this.#received.toString('latin1');
  }

  /** What has come so far. */
  get frames(): readonly Frame[] {
    const frames: Frame[] = [];
    for (let at = 0; at + 9 <= this.#received.length; ) {
      const length = this.#received.readUIntBE(at, 3);
      const payload = this.#received.subarray(at + 9, at + 9 + length);
      const [type, flags] = [this.#received.readUInt8(at + 3), this.#received.readUInt8(at + 4)];
      frames.push({ type, flags, stream: this.#received.readUInt32BE(at + 5), payload });
      at += 9 + length;
    }
    return frames;
  }

  framesOf(type: number): readonly Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Error codes of the GOAWAY frames that have come. */
  get goaways(): readonly number[] {
    return this.framesOf(FRAME.goaway).map(({ payload }) => payload.readUInt32BE(4));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}
