import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { serviceClient } from '../../src/cli/service-client.ts';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { createGrpcDoor } from '../../src/kernel/doors/grpc/door.ts';
import { ServerTls, type TlsFiles } from '../../src/kernel/doors/tls/server-tls.ts';
import { CommandService, QueryService } from '../gen/conformance/v1/conformance_pb.js';
import { certificates } from '../support/certificates.ts';
import { conformanceService } from '../support/conformance-service.ts';

describe('service client', () => {
  let folder: string;
  let keyFile: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bicameral-client-'));
    keyFile = join(folder, 'signing-key.pem');
    await loadOrCreateSigningKey(keyFile);
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function openDoor(tls?: TlsFiles) {
    const { bus, unexpected, calls } = conformanceService();
    const door = createGrpcDoor({ bus, unexpected, tls: tls && new ServerTls(tls) });
    const address = `127.0.0.1:${await door.listen('127.0.0.1:0')}`;
    return { address, calls, [Symbol.asyncDispose]: () => door.close({ graceMs: 0 }) };
  }

  it('calls with a token of the local key that holds the roles asked for', async () => {
    await using door = await openDoor();
    const environment = { GRPC_ADDRESS: door.address, AUTH_SIGNING_KEY_FILE: keyFile };
    const { client, close } = await serviceClient(environment, { roles: ['auditor'] });
    expect(await client(CommandService).echo({ text: 'hello' })).toMatchObject({ text: 'hello' });
    const values = [];
    for await (const { value } of client(QueryService).count({ upTo: 3 })) values.push(value);
    close();

    expect(values).toEqual([1, 2, 3]);
    const [, token = ''] = door.calls[0]?.header.get('authorization')?.split(' ') ?? [];
    expect(decodeJwt(token)).toMatchObject({ sub: 'operator', roles: ['auditor'] });
  });

  it('reaches a service with mutual TLS by a certificate of the CA, and by no other', async () => {
    const { ca, server, client: ours, stranger } = await certificates();
    const file = async (name: string, text: Buffer): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    await using door = await openDoor({ cert: server.cert, key: server.key, clientCa: ca });
    const environment = {
      GRPC_ADDRESS: door.address,
      AUTH_SIGNING_KEY_FILE: keyFile,
      TLS_CERT_FILE: await file('cert.pem', server.cert),
      TLS_KEY_FILE: await file('key.pem', server.key),
    };
    const echo = async ({ cert, key }: { cert: Buffer; key: Buffer }): Promise<string> => {
      const files = {
        ca: await file('ca.pem', ca),
        cert: await file('client.pem', cert),
        key: await file('client-key.pem', key),
      };
      const { client, close } = await serviceClient(environment, { roles: [], ...files });
      try {
        return (await client(CommandService).echo({ text: 'hello' })).text;
      } finally {
        close();
      }
    };
    expect(await echo(ours)).toBe('hello');
    await expect(echo(stranger)).rejects.toThrow(`${door.address} (GRPC_ADDRESS): `);
  });

  it('says where it asked when nothing answers', async () => {
    const environment = { GRPC_ADDRESS: '127.0.0.1:1', AUTH_SIGNING_KEY_FILE: keyFile };
    const { client, close } = await serviceClient(environment, { roles: [] });
    await expect(client(CommandService).echo({})).rejects.toThrow('Nothing listens at 127.0.0.1:1 (GRPC_ADDRESS): ');
    const counting = Array.fromAsync(client(QueryService).count({ upTo: 1 }));
    await expect(counting).rejects.toThrow('Nothing listens at 127.0.0.1:1 (GRPC_ADDRESS): ');
    close();
  });
});
