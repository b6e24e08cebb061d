import { isIP, type Server, type Socket, SocketAddress } from 'node:net';
import type { TrustedProxies } from './trusted-proxies.ts';

/** What a header of the PROXY protocol says: `source` is undefined when it speaks of no other connection, as in probes of the proxy itself. */
export interface ProxyHeader {
  readonly source: string | undefined;
  /** Its length in bytes. */
  readonly length: number;
}

const V1 = Buffer.from('PROXY ');
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** The longest line of version 1 (section 2.1). */
const LONGEST_V1 = 107;
/** Version 2 allows 64 KiB; addresses and the additions that proxies make take a few hundred bytes. */
const LONGEST_V2 = 4 * 1024;

/** Reads a header of version 1 or 2 from the first bytes of a connection: `more` when they may be the beginning of one. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | 'more' | 'none' {
  if (startsAlike(bytes, V2)) return bytes.length < V2.length + 4 ? 'more' : parseV2(bytes);
  if (startsAlike(bytes, V1)) return parseV1(bytes);
  return 'none';
}

function startsAlike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.subarray(0, length).equals(signature.subarray(0, length));
}

function parseV1(bytes: Buffer): ProxyHeader | 'more' | 'none' {
  const end = bytes.subarray(0, LONGEST_V1).indexOf('\r\n');
  if (end < 0) return bytes.length < LONGEST_V1 ? 'more' : 'none';
  const line = bytes.subarray(0, end).toString('latin1');
  const length = end + 2;
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { source: undefined, length };
  const [, version, source = '', destination = '', port] =
    /^PROXY TCP([46]) ([0-9a-f.:]+) ([0-9a-f.:]+) (\d{1,5}) \d{1,5}$/i.exec(line) ?? [];
  const isRight = isIP(source) === Number(version) && isIP(destination) === Number(version) && Number(port) <= 65_535;
  return isRight ? { source: `${source}:${port}`, length } : 'none';
}

function parseV2(bytes: Buffer): ProxyHeader | 'more' | 'none' {
  const [versionAndCommand, family] = [bytes.readUInt8(12), bytes.readUInt8(13)];
  const size = bytes.readUInt16BE(14);
  const length = V2.length + 4 + size;
  const isLocal = versionAndCommand === 0x20;
  if ((!isLocal && versionAndCommand !== 0x21) || length > LONGEST_V2) return 'none';
  if (bytes.length < length) return 'more';
  // Of other families there is no address, and the connection is taken for what it is.
  if (isLocal || (family !== 0x11 && family !== 0x21)) return { source: undefined, length };
  const width = family === 0x11 ? 4 : 16;
  if (size < 2 * width + 4) return 'none';
  const address = bytes.subarray(16, 16 + width);
  return { source: `${textOf(address)}:${bytes.readUInt16BE(16 + 2 * width)}`, length };
}

function textOf(address: Buffer): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, group) => address.readUInt16BE(2 * group).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/**
 * Takes the header off the beginning of a connection and says what it announced. A connection without one, or with a broken one, is
 * destroyed: it must not be guessed whether there is one (PROXY protocol, section 2). For how long it may be silent is up to the edge.
 */
export function takeProxyHeader(socket: Socket, taken: (source: string | undefined) => void): void {
  let seen = Buffer.alloc(0);
  const destroy = (): void => {
    socket.destroy();
  };
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const header = parseProxyHeader(seen);
    if (header === 'more') return;
    if (header === 'none') {
      destroy();
      return;
    }
    socket.off('readable', onReadable).off('end', destroy).off('error', destroy);
    if (seen.length > header.length) socket.unshift(seen.subarray(header.length));
    // The stream notices only then that nobody waits for it any more, and tells the next who does of what is there.
    process.nextTick(() => taken(header.source));
  };
  socket.on('readable', onReadable).on('end', destroy).on('error', destroy);
}

/** Has the server take the header off connections of proxies that send one, before anybody else reads them. */
export function takeProxyHeaders(server: Server, proxies: TrustedProxies): void {
  const accept = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const pass = (): void => {
      for (const listen of accept) listen.call(server, socket);
    };
    const { remoteAddress = '', remotePort } = socket;
    if (!proxies.expectsHeader(remoteAddress)) {
      pass();
      return;
    }
    takeProxyHeader(socket, (source) => {
      if (source !== undefined) socket.once('close', proxies.announce(`${remoteAddress}:${remotePort}`, source));
      if (!socket.destroyed) pass();
    });
  });
}
