import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { QueryService } from '../../gen/audit/v1/query_service_pb.js';
import { serviceClient } from '../../src/cli/service-client.ts';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { startTestApp } from '../support/test-app.ts';

it('says what to do when the service does not know the key, for a call and for a stream', async () => {
  const app = await startTestApp();
  const folder = await mkdtemp(join(tmpdir(), 'bicameral-client-'));
  const ours = { GRPC_ADDRESS: `127.0.0.1:${app.app.grpcPort}`, AUTH_SIGNING_KEY_FILE: app.keyFile };
  const unknown = { ...ours, AUTH_SIGNING_KEY_FILE: join(folder, 'signing-key.pem') };
  await loadOrCreateSigningKey(unknown.AUTH_SIGNING_KEY_FILE);
  const [known, refused] = await Promise.all([ours, unknown].map((each) => serviceClient(each, { roles: ['auditor'] })));
  try {
    await expect(known?.client(QueryService).getHead({})).resolves.toBeDefined();
    const remedy = /restart the service if the key was rotated .* AUTH_SIGNING_KEYS, AUTH_SIGNING_KEY_FILE or DATA_DIR/;
    await expect(refused?.client(QueryService).getHead({})).rejects.toThrow(remedy);
    const stream = refused?.client(QueryService).verifyIntegrity({})[Symbol.asyncIterator]();
    await expect(stream?.next()).rejects.toThrow(remedy);
  } finally {
    known?.close();
    refused?.close();
    await app.stop();
    await rm(folder, { recursive: true });
  }
});
