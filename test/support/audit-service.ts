import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry, type DescService } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { CommandService } from '#gen/audit/v1/command_service_pb.js';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import type { SigningKey } from '../../src/kernel/auth/signing-key.ts';
import { createBus } from '../../src/kernel/bus/bus.ts';
import type { AnyHandler } from '../../src/kernel/bus/handler.ts';
import { busModule } from '../../src/kernel/bus/module.ts';
import { createPageTokens } from '../../src/kernel/bus/page-token.ts';
import { ANONYMOUS } from '../../src/kernel/bus/principal.ts';
import { pruneLog } from '../../src/kernel/command-log/seals/prune.ts';
import { createVerifications } from '../../src/kernel/command-log/seals/verify/verifications.ts';
import { createReadSide } from '../../src/kernel/database/read/read-side.ts';
import { readerKey } from '../../src/kernel/database/read/reader.ts';
import { unitOfWorkKey } from '../../src/kernel/database/write/unit-of-work.ts';
import { createWriteSide } from '../../src/kernel/database/write/write-side.ts';
import { createGrpcDoor } from '../../src/kernel/doors/grpc/door.ts';
import { inProcessTransport } from '../../src/kernel/doors/in-process.ts';
import { consistency } from '../../src/kernel/middleware/consistency.ts';
import { deadline } from '../../src/kernel/middleware/deadline.ts';
import { errors } from '../../src/kernel/middleware/errors.ts';
import { recording } from '../../src/kernel/middleware/recording.ts';
import { retry } from '../../src/kernel/middleware/retry.ts';
import { unitOfWork } from '../../src/kernel/middleware/unit-of-work.ts';
import type { AuditCommandContext } from '../../src/modules/audit/commands/context.ts';
import { pruneCommands } from '../../src/modules/audit/commands/prune-commands.ts';
import type { AuditQueryContext } from '../../src/modules/audit/queries/context.ts';
import { getHead } from '../../src/modules/audit/queries/get-head.ts';
import { LogFeeds } from '../../src/modules/audit/queries/log-feed.ts';
import { verifyIntegrity } from '../../src/modules/audit/queries/verify-integrity.ts';
import { UserType } from '../../src/modules/users/persistence/user-type.ts';
import { ringOf } from './command-log.ts';
import type { TestDatabase } from './database.ts';

/** The rpcs that seal and prove the log, alone behind a gRPC door, with the transactions that they have in the program. */
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
  const verify = createVerifications({ primary: reads.primary.pool, keys: ringOf(key) });
  const pageTokens = createPageTokens(key.deriveKey('page tokens'));
  const feeds = new LogFeeds({ pollMs: 250 });
  const module = busModule<AuditCommandContext, AuditQueryContext>({
    name: 'audit',
    services: [
      { service: CommandService, handlers: { ...unserved(CommandService), pruneCommands } },
      { service: QueryService, handlers: { ...unserved(QueryService), verifyIntegrity, getHead } },
    ],
    commandContext: ({ contextValues, receivedAt, newId, signal }) => {
      const work = contextValues.get(unitOfWorkKey);
      if (!work) throw new Error('there is no unit of work');
      return {
        principal: ANONYMOUS,
        now: receivedAt,
        newId,
        signal,
        pruneLog: (before) => pruneLog((text, values) => work.query(text, values), { before, key, now: receivedAt }),
        recorded: notServed,
        rerun: notServed,
      };
    },
    queryContext: ({ contextValues, signal }) => {
      const read = contextValues.get(readerKey);
      if (!read) throw new Error('no database was chosen');
      return { principal: ANONYMOUS, signal, read, feeds, pageTokens, eventTypes: createRegistry(), verify };
    },
  });
  const bus = createBus([module], {
    command: [
      errors(unexpected),
      deadline(),
      recording({ record: async () => {} }, { admit: () => true }),
      retry(),
      unitOfWork(writes.unitOfWork),
    ],
    query: [errors(unexpected), deadline(), consistency(reads)],
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

function unserved(service: DescService): Record<string, AnyHandler> {
  return Object.fromEntries(service.methods.map((method) => [method.localName, { method, handle: notServed }]));
}

function notServed(): never {
  throw new Error('not served here');
}
