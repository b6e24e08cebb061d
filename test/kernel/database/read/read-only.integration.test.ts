import { createClient, createContextValues } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CompiledQuery } from 'kysely';
import pg from 'pg';
import { pino } from 'pino';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { createBus } from '../../../../src/kernel/bus/bus.ts';
import { CallGauge } from '../../../../src/kernel/bus/call-gauge.ts';
import { principalKey } from '../../../../src/kernel/bus/context-keys.ts';
import { busModule } from '../../../../src/kernel/bus/module.ts';
import { type QueryContext, query } from '../../../../src/kernel/bus/query.ts';
import { type Connection, withSettings } from '../../../../src/kernel/database/connection.ts';
import { memoryRates } from '../../../../src/kernel/database/limits/rates.ts';
import { createPool } from '../../../../src/kernel/database/pool.ts';
import { createReadSide, type ReadSide } from '../../../../src/kernel/database/read/read-side.ts';
import { type Reader, readerKey } from '../../../../src/kernel/database/read/reader.ts';
import { errorCode } from '../../../../src/kernel/database/sql-errors.ts';
import { inProcessTransport } from '../../../../src/kernel/doors/in-process.ts';
import { createPipelines } from '../../../../src/kernel/middleware/pipeline.ts';
import { validation } from '../../../../src/kernel/middleware/validation.ts';
import { services } from '../../../../src/modules/users/services.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { refusalOf } from '../../../support/errors.ts';
import { permissionsOf } from '../../../support/roles.ts';

const INSUFFICIENT_PRIVILEGE = '42501';
const READ_ONLY_TRANSACTION = '25006';
const WRITE = `update read.user_directory set name = 'written by a query'`;

const stack = new AsyncDisposableStack();
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  stack.defer(database.drop);
  await database.query(`insert into read.user_directory (id, email, name, status, roles, created_at, updated_at, version)
    values ('01930000-0000-7000-8000-000000000001', 'ada@example.org', 'Ada', 'active', '{}', now(), now(), 1)`);
});
afterAll(() => stack.disposeAsync());

/** What the database says to a statement on one connection. */
async function refusal(connection: Connection, statement: string): Promise<string | undefined> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    await client.query(statement);
    return undefined;
  } catch (error) {
    return errorCode(error);
  } finally {
    await client.end();
  }
}

describe('a query that writes', () => {
  it('is refused by the role', async () => {
    const writable = { default_transaction_read_only: 'off' };
    for (const connection of [
      database.connections.reader,
      withSettings(database.connections.writer, { role: 'bicameral_reader' }),
    ]) {
      for (const table of ['users."user"', 'cqrs.event', 'read.user_directory', 'read.ended_session']) {
        expect([table, await refusal(withSettings(connection, writable), `delete from ${table}`)]).toEqual([
          table,
          INSUFFICIENT_PRIVILEGE,
        ]);
      }
      expect(await refusal(withSettings(connection, writable), 'create table public.t ()')).toBe(INSUFFICIENT_PRIVILEGE);
    }
  });

  it('is refused by the session, whatever the role', async () => {
    const pool = createPool(database.connections.owner, { name: 'test', max: 1, readOnly: true });
    await expect(pool.query(WRITE)).rejects.toMatchObject({ code: READ_ONLY_TRANSACTION });
    await pool.close();
  });

  it('is refused by a replica, whatever the session', async () => {
    for (const replica of database.connections.replicas) {
      expect(await refusal(withSettings(replica, { default_transaction_read_only: 'off' }), WRITE)).toBe(READ_ONLY_TRANSACTION);
    }
  });

  describe.each([
    { configuration: 'embedded', reader: () => database.connections.reader },
    // As src/kernel/database/open-database.ts makes of DATABASE_URL.
    { configuration: 'external', reader: () => withSettings(database.connections.writer, { role: 'bicameral_reader' }) },
  ])('in a handler, on an $configuration database', ({ reader }) => {
    const unexpected: unknown[] = [];
    let reads: ReadSide;
    beforeAll(async () => {
      const { replicas } = database.connections;
      reads = await createReadSide({ primary: reader(), replicas, sizes: { calls: 10, lookUps: 2 }, onChange: () => {} });
      stack.defer(reads.close);
    });

    it.each(['eventual', 'strong'])('fails as a defect and writes nothing, with %s consistency', async (consistency) => {
      const client = createClient(QueryService, inProcessTransport(busWithWritingQuery(reads, unexpected)));
      const contextValues = createContextValues();
      contextValues.set(principalKey, { id: 'tester', roles: [], permissions: permissionsOf(['admin']), session: '' });
      const headers: Record<string, string> = consistency === 'strong' ? { 'cqrs-consistency': 'strong' } : {};
      const refused = await refusalOf(client.findUserByEmail({ email: 'ada@example.org' }, { contextValues, headers }));
      expect(refused).toMatchObject({ code: 'Internal', reason: 'INTERNAL' });
      expect(errorCode(unexpected.pop())).toBe(READ_ONLY_TRANSACTION);
      expect(unexpected).toEqual([]);
      expect(await database.query('select name from read.user_directory')).toEqual([{ name: 'Ada' }]);
      expect(reads.all.filter(({ name }) => !reads.monitor.isHealthy(name))).toEqual([]);
    });
  });
});

/** The users module with a query that writes. */
function busWithWritingQuery(reads: ReadSide, unexpected: unknown[]) {
  const findUserByEmail = query(QueryService.method.findUserByEmail, async (_, { read }: { read: Reader } & QueryContext) => {
    await read.rows(CompiledQuery.raw(WRITE));
    throw new Error('it was not refused');
  });
  const module = busModule<never, never>({
    name: 'users',
    services: services
      .filter(({ service }) => service === QueryService)
      .map(({ service, handlers }) => ({ service, handlers: { ...handlers, findUserByEmail } as never })),
    commandContext: () => undefined as never,
    queryContext: (call) => ({ read: call.contextValues.get(readerKey) }) as never,
  });
  const pipelines = createPipelines({
    logger: pino({ level: 'silent' }),
    tracer: undefined,
    calls: { ended: () => {} },
    unexpected: { newId: () => 'id', report: ({ error }) => unexpected.push(error) },
    authority: { admit: () => Promise.reject(new Error('nobody has a token')), onEnd: () => () => {} },
    validation: validation(),
    recorder: { record: async () => {} },
    refusals: { admit: () => true },
    idempotency: {} as never,
    tokens: {} as never,
    writes: { unitOfWork: () => undefined as never },
    reads,
    inFlight: { commands: new CallGauge(10), queries: new CallGauge(10), streams: new CallGauge(10) },
    rates: { counters: memoryRates, overrides: new Map() },
    guesses: { guessing: undefined as never, guesses: undefined as never, key: Buffer.alloc(32), report: () => {} },
  });
  return createBus([module], pipelines);
}
