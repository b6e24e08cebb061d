import { CompiledQuery } from 'kysely';
import { ok } from 'neverthrow';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { type BatchRow, NEWEST_BATCH, toBatch } from '../../../kernel/command-log/seals/batch.ts';
import { toHead } from '../read-model/head.ts';
import type { AuditQueryContext } from './context.ts';

const newestBatch = CompiledQuery.raw(NEWEST_BATCH) as CompiledQuery<BatchRow>;

/** Answers the head of the log, to be kept where nobody who can change the database can change it. */
export const getHead = query(QueryService.method.getHead, async (_, { read }: AuditQueryContext) => {
  const [row] = await read.rows(newestBatch);
  return ok(row ? { head: toHead(toBatch(row)) } : {});
});
