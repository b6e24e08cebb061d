import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { InstanceSchema } from '#gen/operations/v1/query_service_pb.js';
import { isAlive } from '../../../kernel/feed/instances.ts';
import { statement } from './statement.ts';

export interface InstanceRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly started_at: Date;
  readonly seen_at: Date;
  readonly alive: boolean;
  readonly processors: number;
}

/** Every instance that did not stop as it should have, alive or not. */
export const allInstances = statement<InstanceRow>(`select id, host, pid, version, started_at, seen_at,
    ${isAlive('instance')} as alive,
    (select count(*)::int from cqrs.processor where owner = instance.id) as processors
  from cqrs.instance
  order by started_at, id`);

export const toInstance = (row: InstanceRow): MessageInitShape<typeof InstanceSchema> => ({
  instanceId: row.id,
  host: row.host,
  pid: row.pid,
  version: row.version,
  startedAt: timestampFromDate(row.started_at),
  seenAt: timestampFromDate(row.seen_at),
  alive: row.alive,
  processors: row.processors,
});
