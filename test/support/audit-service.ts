import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry, type DescService } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { pino } from 'pino';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { createKeyRing } from '../../src/kernel/auth/key-ring.ts';
import { createRoles } from '../../src/kernel/auth/roles.ts';
import { createSecretHasher } from '../../src/kernel/auth/secret-hasher.ts';
import type { SigningKey } from '../../src/kernel/auth/signing-key.ts';
import { type Bus, createBus } from '../../src/kernel/bus/bus.ts';
import { createConsistencyTokens } from '../../src/kernel/consistency/token.ts';
import { createReadSide } from '../../src/kernel/database/read/read-side.ts';
import { createWriteSide } from '../../src/kernel/database/write/write-side.ts';
import { createGrpcDoor } from '../../src/kernel/doors/grpc/door.ts';
import { inProcessTransport } from '../../src/kernel/doors/in-process.ts';
import { NO_NEWS } from '../../src/kernel/feed/news.ts';
import { consistency } from '../../src/kernel/middleware/consistency.ts';
import { deadline } from '../../src/kernel/middleware/deadline.ts';
import { errors } from '../../src/kernel/middleware/errors.ts';
import { recording } from '../../src/kernel/middleware/recording.ts';
import { retry } from '../../src/kernel/middleware/retry.ts';
import { unitOfWork } from '../../src/kernel/middleware/unit-of-work.ts';
import { moduleHost } from '../../src/kernel/start/host.ts';
import { startModules } from '../../src/kernel/start/modules.ts';
import { audit as auditModule } from '../../src/modules/audit/module.ts';
import { UserType } from '../../src/modules/users/persistence/user-type.ts';
import type { TestDatabase } from './database.ts';

/** The module audit behind a gRPC door, alone, with the transactions that it has in the program. Nothing seals by itself. */
export interface AuditService extends AsyncDisposable {
  readonly client: <S extends DescService>(service: S) => Client<S>;
  /** The environment of a command line that calls it. */
  readonly environment: { readonly GRPC_ADDRESS: string; readonly AUTH_SIGNING_KEY_FILE: string };
  readonly key: SigningKey;
  /** The writer's connections. */
  readonly pool: Awaited<ReturnType<typeof createWriteSide>>['pool'];
}

export async function startAuditService({ connections }: TestDatabase): Promise<AuditService> {
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'bicameral-audit-'));
  resources.defer(() => rm(folder, { recursive: true }));
  const keyFile = join(folder, 'signing-key.pem');
  const key = await loadOrCreateSigningKey(keyFile);
  const writes = await createWriteSide(connections.writer, [UserType], { poolSize: 10, ownerDigest: () => Buffer.alloc(0) });
  resources.defer(() => writes.close());
  const reads = await createReadSide({
    primary: connections.reader,
    replicas: connections.replicas,
    sizes: { calls: 10, lookUps: 2 },
    onChange: () => {},
  });
  resources.defer(() => reads.close());

  const unexpected = { newId: () => 'unexpected', report: ({ error }: { error: unknown }) => console.error(error) };
  const ring = createKeyRing(key);
  const roles = createRoles({}, []);
  const { host } = moduleHost({
    service: 'bicameral',
    logger: pino({ level: 'silent' }),
    keys: { ring, digestKey: () => Buffer.alloc(0) },
    secrets: createSecretHasher(),
    reads,
    heldUpBy: () => undefined,
    writePool: writes.pool,
    eventTypes: createRegistry(),
    news: NO_NEWS,
    projections: new Map(),
    bus: () => bus,
    roles,
    permissions: [],
    onDamage: () => {},
    stops: { stack: resources, briefly: (_, stop) => resources.defer(async () => void (await stop())) },
  });
  const { modules } = await startModules([auditModule], { host, settings: {}, primary: reads.primary });
  const bus: Bus = createBus(modules, {
    command: [
      errors(unexpected),
      deadline(),
      recording({ record: async () => {} }, { admit: () => true }),
      retry(),
      unitOfWork(writes.unitOfWork),
    ],
    query: [errors(unexpected), deadline(), consistency(reads, { tokens: createConsistencyTokens(ring) })],
  });
  const door = createGrpcDoor({ bus, unexpected, tls: undefined });
  const address = `127.0.0.1:${await door.listen('127.0.0.1:0')}`;
  resources.defer(() => door.close({ graceMs: 0 }));
  const started = resources.move();
  return {
    client: (service) => createClient(service, inProcessTransport(bus)),
    environment: { GRPC_ADDRESS: address, AUTH_SIGNING_KEY_FILE: keyFile },
    key,
    pool: writes.pool,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
