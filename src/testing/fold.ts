import { randomUUID } from 'node:crypto';
import { create, type DescMessage, type MessageInitShape, toJsonString } from '@bufbuild/protobuf';
import { type Projection, projectionParts } from '../kernel/feed/projection.ts';
import type { TestDatabase } from './service/test-database.ts';
import { TEST_TIME } from './test-ids.ts';

/** What happened to an aggregate, for a projection that is tested by itself. */
export interface Happened<Schema extends DescMessage = DescMessage> {
  readonly event: Schema;
  readonly aggregateId: string;
  /** What the event holds; by default nothing. */
  readonly data?: MessageInitShape<Schema>;
  readonly aggregateVersion?: number;
  /** When it happened; by default at TEST_TIME. */
  readonly at?: Date;
}

/**
 * Has a projection fold events into its tables, as one batch, and nothing else: no command and no feed. Its statement has to come to the same
 * for one batch of many events as for many batches of one.
 *
 * ```ts
 * await fold(service.database, productSales, [
 *   { event: StockTakenSchema, aggregateId: tea, data: { quantity: 2 } },
 *   { event: StockTakenSchema, aggregateId: tea, data: { quantity: 3 } },
 * ]);
 * ```
 */
export async function fold(
  database: Pick<TestDatabase, 'query'>,
  projection: Projection,
  events: readonly Happened[],
): Promise<void> {
  const parts = projectionParts(projection).map(({ name, text }) => `${name} as (${text})`);
  await database.query(`with ${[EVENTS, ...parts].join(',\n')} select`, [
    events.map(() => randomUUID()),
    events.map(({ event }) => event.typeName),
    events.map(({ event, data }) => toJsonString(event, create(event, data ?? {}))),
    events.map(({ aggregateId }) => aggregateId),
    events.map(({ aggregateVersion }, index) => aggregateVersion ?? index + 1),
    events.map(({ at }) => (at ?? TEST_TIME).toISOString()),
  ]);
}

const EVENTS = `events as (
  select position, id, type, data::jsonb as data, '' as aggregate_type, aggregate_id, aggregate_version, gen_random_uuid() as command_id, occurred_at
  from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::integer[], $6::timestamptz[]) with ordinality
    as event (id, type, data, aggregate_id, aggregate_version, occurred_at, position))`;
