import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/operations/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { RebuildNotFound } from '../not-found.ts';
import { rebuildById, toRebuild } from '../read-model/rebuilds.ts';
import type { OperationsQueryContext } from './context.ts';

/** Answers one rebuild or verification, with what it found. */
export const getRebuild = query(QueryService.method.getRebuild, async ({ rebuildId }, { read }: OperationsQueryContext) => {
  const [row] = await read.rows(rebuildById, [rebuildId]);
  return row ? ok({ rebuild: toRebuild(row) }) : err(new RebuildNotFound(rebuildId));
});
