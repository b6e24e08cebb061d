import { randomBytes } from 'node:crypto';
import { createRegistry } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import { type Bus, createBus } from '../../../src/kernel/bus/bus.ts';
import { principalKey, principalOf } from '../../../src/kernel/bus/context-keys.ts';
import { middleware } from '../../../src/kernel/bus/middleware.ts';
import { busModule } from '../../../src/kernel/bus/module.ts';
import { createPageTokens } from '../../../src/kernel/bus/page-token.ts';
import { createReadSide, type ReadSide } from '../../../src/kernel/database/read/read-side.ts';
import { readerKey } from '../../../src/kernel/database/read/reader.ts';
import { inProcessTransport } from '../../../src/kernel/doors/in-process.ts';
import { Tails } from '../../../src/kernel/feed/tails.ts';
import { authorization } from '../../../src/kernel/middleware/authorization.ts';
import { consistency } from '../../../src/kernel/middleware/consistency.ts';
import { deadline } from '../../../src/kernel/middleware/deadline.ts';
import { errors } from '../../../src/kernel/middleware/errors.ts';
import { validation } from '../../../src/kernel/middleware/validation.ts';
import type { AuditQueryContext } from '../../../src/modules/audit/queries/context.ts';
import { getCommand } from '../../../src/modules/audit/queries/get-command.ts';
import { getHead } from '../../../src/modules/audit/queries/get-head.ts';
import { listCommands } from '../../../src/modules/audit/queries/list-commands.ts';
import { verifyIntegrity } from '../../../src/modules/audit/queries/verify-integrity.ts';
import { watchCommands } from '../../../src/modules/audit/queries/watch-commands.ts';
import { sealedLog } from '../../../src/modules/audit/read-model/sealed-log.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { NO_TOKENS } from '../../support/no-tokens.ts';
import { permissionsOf } from '../../support/roles.ts';

/** The queries of the log alone, on a database in which nobody but the test records and seals. */
export interface AuditQueries {
  readonly client: Client<typeof QueryService>;
  readonly bus: Bus;
  readonly database: TestDatabase;
  readonly reads: ReadSide;
  readonly stop: () => Promise<void>;
}

/** The caller is an auditor, or has the role in the header `test-role`. */
const caller: Interceptor = (next) => (request) => {
  const roles = [request.header.get('test-role') ?? 'auditor'];
  request.contextValues.set(principalKey, { id: 'tester', roles, permissions: permissionsOf(roles), session: '' });
  return next(request);
};

async function* nothing() {}

export async function startAuditQueries(): Promise<AuditQueries> {
  const database = await createTestDatabase();
  const { reader, replicas } = database.connections;
  const reads = await createReadSide({ primary: reader, replicas, sizes: { calls: 10, lookUps: 2 }, onChange: () => {} });
  const pageTokens = createPageTokens(randomBytes(32));
  const eventTypes = createRegistry(file_users_v1_events);
  const tails = new Tails(sealedLog, { pollMs: 250 });
  const module = busModule<unknown, AuditQueryContext>({
    name: 'audit',
    services: [{ service: QueryService, handlers: { listCommands, getCommand, watchCommands, verifyIntegrity, getHead } }],
    commandContext: () => undefined,
    queryContext: (call) => {
      const read = call.contextValues.get(readerKey);
      if (!read) throw new Error('no database was chosen');
      return { principal: principalOf(call), signal: call.signal, read, tails, pageTokens, eventTypes, verify: () => nothing() };
    },
  });
  const unexpected = { newId: () => 'unexpected', report: ({ error }: { error: unknown }) => console.error(error) };
  const authentication = middleware('authentication', () => caller, { after: 'deadline' });
  const query = [
    errors(unexpected),
    deadline(),
    authentication,
    validation(),
    authorization(),
    consistency(reads, { tokens: NO_TOKENS }),
  ];
  const bus = createBus([module], { command: [], query });
  return {
    client: createClient(QueryService, inProcessTransport(bus)),
    bus,
    database,
    reads,
    stop: async () => {
      await reads.close();
      await database.drop();
    },
  };
}
