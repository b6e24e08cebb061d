const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** A header of the PROXY protocol, version 2: of TCP over IPv4 by the source's address and port, or of any bytes and family. */
export function proxyV2(address: string, port: number, additions?: Buffer): Buffer;
export function proxyV2(bytes: Buffer, family: number, versionAndCommand?: number): Buffer;
export function proxyV2(source: string | Buffer, portOrFamily: number, more?: Buffer | number): Buffer {
  if (typeof source === 'string') {
    const ports = Buffer.alloc(4);
    ports.writeUInt16BE(portOrFamily);
    ports.writeUInt16BE(443, 2);
    const bytes = Buffer.concat([
      Buffer.from(source.split('.').map(Number)),
      Buffer.from([10, 0, 0, 1]),
      ports,
      (more as Buffer) ?? Buffer.alloc(0),
    ]);
    return proxyV2(bytes, 0x11);
  }
  const head = Buffer.alloc(4);
  head.writeUInt8((more as number) ?? 0x21, 0);
  head.writeUInt8(portOrFamily, 1);
  head.writeUInt16BE(source.length, 2);
  return Buffer.concat([SIGNATURE, head, source]);
}
