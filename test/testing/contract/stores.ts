import { create, fromBinary } from '@bufbuild/protobuf';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { CommandAttempt } from '../../../src/kernel/command-log/command-attempt.ts';
import { translateSqlError } from '../../../src/kernel/database/sql-errors.ts';
import type { UnitOfWork } from '../../../src/kernel/database/write/unit-of-work.ts';
import { createWriteSide } from '../../../src/kernel/database/write/write-side.ts';
import { eventTypesOf } from '../../../src/kernel/start/modules.ts';
import type { Sessions } from '../../../src/modules/users/domain/sessions.ts';
import type { Users } from '../../../src/modules/users/domain/users.ts';
import { users } from '../../../src/modules/users/module.ts';
import { sessionStore } from '../../../src/modules/users/persistence/session-store.ts';
import { userRepository } from '../../../src/modules/users/persistence/user-repository.ts';
import { UserType } from '../../../src/modules/users/persistence/user-type.ts';
import { type PlainEvent, TEST_TIME } from '../../../src/testing/index.ts';
import { MemoryStore, plainOf } from '../../../src/testing/memory/memory-store.ts';
import { MemoryUnitOfWork } from '../../../src/testing/memory/memory-unit-of-work.ts';
import { plainEvent } from '../../../src/testing/plain.ts';
import { callTo } from '../../kernel/middleware/test-call.ts';
import { LIFETIME, memorySessions } from '../../modules/users/memory/sessions.ts';
import { memoryUsers, userUniques } from '../../modules/users/memory/users.ts';
import { createTestDatabase } from '../../support/database.ts';

/** What a command of users has of a store. */
export interface Try {
  readonly work: Pick<UnitOfWork, 'find' | 'add'>;
  readonly users: Users;
  readonly sessions: Sessions;
}

/** Where users are kept: what PostgreSQL and memory promise alike. */
export interface Store extends AsyncDisposable {
  /** One try of a command: what is decided is committed, and rolled back when it throws. `attempt` counts the tries, from 1. */
  readonly run: <T>(decide: (tools: Try) => Promise<T>, attempt?: number) => Promise<T>;
  /** The events of an aggregate, in order. */
  readonly events: (id: string) => Promise<readonly PlainEvent[]>;
}

/** In memory, as the test kit has it. */
export async function memoryStore(): Promise<Store> {
  const store = new MemoryStore(userUniques);
  return {
    async run(decide) {
      const work = new MemoryUnitOfWork(store, {
        commandId: '',
        occurredAt: TEST_TIME,
        method: 'users.v1.CommandService/ChangeName',
      });
      const result = await decide({ work, users: memoryUsers(work), sessions: memorySessions(work) });
      work.commit();
      return result;
    },
    events: async (id) => store.events.filter(({ aggregateId }) => aggregateId === id).map(plainOf),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** In PostgreSQL, as the program has it. */
export async function postgresStore(): Promise<Store> {
  await using resources = new AsyncDisposableStack();
  const database = await createTestDatabase();
  resources.defer(() => database.drop());
  const types = eventTypesOf([users]);
  const side = await createWriteSide(database.connections.writer, [UserType], {
    poolSize: 8,
    ownerDigest: () => Buffer.alloc(0),
  });
  resources.defer(() => side.close());
  const kept = resources.move();
  return {
    async run(decide, attempt = 1) {
      const call = callTo(CommandService.method.changeName);
      const work = side.unitOfWork(call, attempt);
      try {
        const result = await decide({ work, users: userRepository(work), sessions: sessionStore(work, LIFETIME) });
        await work.commit(
          new CommandAttempt(call, { dryRun: false }).ending(new Answer(call.method, create(call.method.output))),
        );
        return result;
      } catch (error) {
        throw translateSqlError(error);
      } finally {
        await work.rollback();
      }
    },
    async events(id) {
      const rows = await database.query<{ type: string; payload: Buffer; personal: Buffer | null }>(
        'select type, payload, personal from cqrs.event where aggregate_id = $1 order by position',
        [id],
      );
      return rows.map(({ type, payload, personal }) => {
        const schema = types.getMessage(type);
        if (!schema) throw new Error(`no type ${type}`);
        return plainEvent(schema, fromBinary(schema, Buffer.concat([payload, personal ?? Buffer.alloc(0)])));
      });
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
