import { randomUUID } from 'node:crypto';
import { create, createRegistry, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import type pg from 'pg';
import { type Logger, pino } from 'pino';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import { withSettings } from '../../../../src/kernel/database/connection.ts';
import { createPool } from '../../../../src/kernel/database/pool.ts';
import { toStoredEvent } from '../../../../src/kernel/database/write/stored-event.ts';
import { startInstance } from '../../../../src/kernel/feed/instances.ts';
import type { FeedHandler } from '../../../../src/kernel/feed/processors/feed-handler.ts';
import { PROCESSOR_SESSION } from '../../../../src/kernel/feed/processors/processor-statements.ts';
import { type FeedEnd, type Processors, startProcessors } from '../../../../src/kernel/feed/processors/processors.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';

/** A database with a feed, and instances that process it. */
export interface FeedWork extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly news: FeedEnd;
  /** Stores events, each `[schema, message, aggregate]`, and gives them their numbers; answers the last of these. */
  readonly happened: (...events: readonly Happened[]) => Promise<number>;
  /** An instance that runs these. */
  readonly start: (...handlers: readonly FeedHandler[]) => Promise<RunningInstance>;
  readonly rows: <Row = Record<string, unknown>>(text: string, ...values: unknown[]) => Promise<Row[]>;
  readonly pool: pg.Pool;
  readonly logger: Logger;
  /** What the instances logged. */
  readonly log: () => string;
}

export interface RunningInstance extends Processors {
  readonly id: string;
}

export type Happened<Schema extends DescMessage = DescMessage> = readonly [
  schema: Schema,
  message: MessageInitShape<Schema>,
  aggregate: string,
];

export const EVENT_TYPES = createRegistry(file_users_v1_events);

export async function startFeedWork(tables = ''): Promise<FeedWork> {
  const database = await createTestDatabase();
  if (tables !== '') await database.query(tables);
  const { writer } = database.connections;
  const stack = new AsyncDisposableStack();
  stack.defer(() => database.drop());
  const pool = createPool(withSettings(writer, PROCESSOR_SESSION), { name: 'processors', max: 4, readOnly: false });
  const lookPool = createPool(writer, { name: 'sequencer', max: 2, readOnly: false });
  stack.defer(async () => {
    await Promise.all([pool.close(), lookPool.close()]);
  });
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const wakes = new Set<() => void>();
  const news = {
    lastSequence: 0,
    onNews: (wake: () => void) => {
      wakes.add(wake);
      return () => wakes.delete(wake);
    },
  };

  async function number(): Promise<number> {
    await lookPool.query('select cqrs.number_events(100000)');
    const { rows } = await lookPool.query<{ last: string }>('select last_sequence as last from cqrs.sequencer');
    news.lastSequence = Number(rows[0]?.last);
    for (const wake of wakes) wake();
    return news.lastSequence;
  }

  return {
    database,
    news,
    pool,
    logger,
    log: () => lines.join(''),
    rows: (text, ...values) => database.query(text, values) as never,
    happened: async (...events) => {
      await storeEvents(lookPool, events);
      return number();
    },
    start: async (...handlers) => {
      const instance = await startInstance({
        pool: lookPool,
        version: 'test',
        processors: handlers.map(({ name }) => name),
        logger,
      });
      const processors = await startProcessors({
        handlers,
        instance: instance.id,
        pool,
        lookPool,
        news,
        eventTypes: EVENT_TYPES,
        logger,
      });
      let isStopped = false;
      const stop = async (): Promise<void> => {
        if (isStopped) return;
        isStopped = true;
        await processors.stop();
        await instance.stop();
      };
      stack.defer(stop);
      return { ...processors, stop, id: instance.id };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Stores events as commands do, one version of its aggregate each. */
export async function storeEvents(pool: Pick<pg.Pool, 'query'>, events: readonly Happened[]): Promise<void> {
  const stored = events.map(([schema, message]) => toStoredEvent({ schema, message: create(schema, message) }));
  await pool.query(
    `insert into cqrs.event (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
     select id, type, payload, personal, 'users.v1.User', aggregate, 1, gen_random_uuid(), '', now()
     from unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::uuid[]) with ordinality
       as event (id, type, payload, personal, aggregate, position) order by event.position`,
    [
      events.map(() => randomUUID()),
      stored.map(({ type }) => type),
      stored.map(({ payload }) => payload),
      stored.map(({ personal }) => personal),
      events.map(([, , aggregate]) => aggregate),
    ],
  );
}
