import { once } from 'node:events';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import { createGrpcDoor } from '../../../../src/kernel/doors/grpc/door.ts';
import { ServerTls, TlsFilesInvalid } from '../../../../src/kernel/doors/tls/server-tls.ts';
import { certificates } from '../../../support/certificates.ts';
import { conformanceService } from '../../../support/conformance-service.ts';

const DOORS = { 'gRPC door': createGrpcDoor, 'Connect door': createConnectDoor };

describe.each(Object.entries(DOORS))('TLS of the %s', (_, createDoor) => {
  const resources = new AsyncDisposableStack();
  afterAll(() => resources.disposeAsync());

  describe.each(['ec', 'rsa'] as const)('with a key of kind %s', (keyType) => {
    let port = 0;
    let ca: Buffer;
    beforeAll(async () => {
      const made = await certificates({ keyType });
      ca = made.ca;
      const door = createDoor({ ...conformanceService(), tls: new ServerTls(made.server) });
      resources.defer(() => door.close({ graceMs: 0 }));
      port = await door.listen('127.0.0.1:0');
    });

    const OLD = { maxVersion: 'TLSv1.2' } as const;
    const OLDER = { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    it.each<[string, ConnectionOptions, string | undefined]>([
      ['TLS 1.3', {}, 'TLSv1.3'],
      ['TLS 1.2 as clients have it by default', OLD, 'TLSv1.2'],
      ['ECDHE with ChaCha20', { ...OLD, ciphers: 'ECDHE+CHACHA20' }, 'TLSv1.2'],
      ['TLS 1.1', { ...OLDER, maxVersion: 'TLSv1.1' }, undefined],
      ['TLS 1.0', { ...OLDER, maxVersion: 'TLSv1' }, undefined],
      ['RSA key transport', { ...OLD, ciphers: 'kRSA' }, undefined],
      ['CBC', { ...OLD, ciphers: 'ECDHE+SHA256:ECDHE+SHA384:ECDHE+SHA1:!AEAD' }, undefined],
      ['finite-field Diffie-Hellman', { ...OLD, ciphers: 'DHE' }, undefined],
      ['no authentication', { ...OLD, ciphers: 'aNULL:@SECLEVEL=0' }, undefined],
    ])('%s', async (_, options, protocol) => {
      expect(await handshake(port, { ca, ...options })).toBe(protocol);
    });

    it('negotiates no connection again', async () => {
      const socket = await connected(port, { ca, ...OLD });
      const outcome = await new Promise((resolve) => {
        socket.on('error', resolve).on('close', () => resolve('closed'));
        socket.renegotiate({}, (error) => resolve(error ?? 'negotiated'));
      });
      expect(outcome).not.toBe('negotiated');
      socket.destroy();
    });
  });

  it('uses renewed files in new handshakes, and leaves connections alone', async () => {
    const [before, after] = [await certificates(), await certificates()];
    const tls = new ServerTls(before.server);
    const door = createDoor({ ...conformanceService(), tls });
    resources.defer(() => door.close({ graceMs: 0 }));
    const port = await door.listen('127.0.0.1:0');
    const open = await connected(port, { ca: before.ca });

    expect(() => tls.renew({ cert: after.server.cert, key: before.server.key })).toThrow(TlsFilesInvalid);
    expect(await handshake(port, { ca: before.ca })).toBe('TLSv1.3');
    tls.renew(after.server);
    expect(await handshake(port, { ca: after.ca })).toBe('TLSv1.3');
    expect(await handshake(port, { ca: before.ca })).toBeUndefined();
    // The rules do not go with the first files.
    expect(await handshake(port, { ca: after.ca, maxVersion: 'TLSv1.2', ciphers: 'ECDHE+SHA256:!AEAD' })).toBeUndefined();
    expect(open.destroyed).toBe(false);
    open.destroy();
  });
});

async function connected(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ALPNProtocols: ['h2'], ...options });
  await once(socket, 'secureConnect');
  // Read, or it would not hear what the other side says of it.
  socket.on('error', () => undefined).resume();
  return socket;
}

/** The version that was agreed on; undefined when there is no connection. */
async function handshake(port: number, options: ConnectionOptions): Promise<string | undefined> {
  try {
    const socket = await connected(port, options);
    const version = socket.getProtocol();
    socket.destroy();
    return version ?? undefined;
  } catch {
    return undefined;
  }
}
