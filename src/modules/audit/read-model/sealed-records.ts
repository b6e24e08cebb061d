import { type CompiledQuery, sql } from 'kysely';
import { type RecordRow, SHOWN_COLUMNS, statements } from './command-log.ts';

/** Most records that are read at once. */
export const SEALED_PAGE = 100;

/** A place in the log, and the record that has it. */
export interface SealedPlace {
  readonly sequence: string;
  readonly command_id: string;
  readonly received_at: Date;
}

/** The places behind the one given as its parameter, in order. Asked again and again, so it touches one small index and no record. */
export const placesAfter: CompiledQuery<SealedPlace> = statements
  .selectFrom('cqrs.command_seal')
  .select(['sequence', 'command_id', 'received_at'])
  .where('sequence', '>', '')
  .orderBy('sequence')
  .limit(sql.lit(SEALED_PAGE))
  .compile();

/** The last place in the log; no row while nothing is sealed. */
export const lastPlace = statements
  .selectFrom('cqrs.command_seal')
  .select('sequence')
  .orderBy('sequence', 'desc')
  .limit(sql.lit(1))
  .compile();

const place = sql<SealedPlace>`unnest(${[]}::bigint[], ${[]}::uuid[], ${[]}::timestamptz[])`;

const records: CompiledQuery<RecordRow> = statements
  .selectFrom('cqrs.command_log as record')
  .innerJoin(place.as<'place'>(sql`place (sequence, command_id, received_at)`), (join) =>
    join.onRef('place.received_at', '=', 'record.received_at').onRef('place.command_id', '=', 'record.command_id'),
  )
  .select(SHOWN_COLUMNS)
  .select('place.sequence')
  // Excludes the partitions of other months.
  .where('record.received_at', '>=', sql<Date>`${''}`)
  .where('record.received_at', '<=', sql<Date>`${''}`)
  .orderBy('place.sequence')
  .compile();

/** The records at some places, in their order; a record that was pruned is missing. */
export function recordsAt(places: readonly SealedPlace[]): typeof records {
  const times = places.map(({ received_at }) => received_at.getTime());
  return {
    ...records,
    parameters: [
      places.map(({ sequence }) => sequence),
      places.map(({ command_id }) => command_id),
      places.map(({ received_at }) => received_at.toISOString()),
      new Date(Math.min(...times)),
      new Date(Math.max(...times)),
    ],
  };
}
