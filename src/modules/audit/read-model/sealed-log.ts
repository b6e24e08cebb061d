import { create } from '@bufbuild/protobuf';
import { type WatchCommandsResponse, WatchCommandsResponseSchema } from '#gen/audit/v1/query_service_pb.js';
import type { Entry, List } from '../../../kernel/feed/tail.ts';
import { type RecordRow, toCommandRecord } from './command-log.ts';
import { lastPlace, placesAfter, recordsAt, SEALED_PAGE } from './sealed-records.ts';

/** A record with its place in the log, as it is sent. */
export interface SealedEntry extends Entry {
  readonly message: WatchCommandsResponse;
  readonly bytes: number;
}

/** The sealed records in the order of the log. A place is given in the order of commits; a record that was pruned leaves its place empty. */
export const sealedLog: List<SealedEntry> = {
  pageSize: SEALED_PAGE,
  size: ({ bytes }) => bytes,
  last: async (read) => {
    const [last] = await read.rows(lastPlace);
    return BigInt(last?.sequence ?? 0);
  },
  page: async (read, after) => {
    const places = await read.rows(placesAfter, [String(after)]);
    const records = places.length > 0 ? await read.rows(recordsAt(places)) : [];
    return { entries: records.map(toEntry), end: BigInt(places.at(-1)?.sequence ?? after) };
  },
};

function toEntry(row: RecordRow): SealedEntry {
  const event = { case: 'command' as const, value: toCommandRecord(row) };
  return {
    place: BigInt(row.sequence ?? 0),
    message: create(WatchCommandsResponseSchema, { event }),
    bytes: JSON.stringify(event.value.request ?? '').length,
  };
}
