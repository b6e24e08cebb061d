import { ok } from 'neverthrow';
import { type ListCommandsRequest, QueryService } from '#gen/audit/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { receivedBound } from '../../../kernel/command-log/received-at.ts';
import { outcomeName, toCommandRecord } from '../read-model/command-log.ts';
import { type CommandList, pageStatement } from '../read-model/command-pages.ts';
import type { AuditQueryContext } from './context.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/** Answers records page by page, the newest first. */
export const listCommands = query(QueryService.method.listCommands, async (request, { read, pageTokens }: AuditQueryContext) => {
  const list = listOf(request);
  const { actor, method, target, outcome, from, to, correlation } = list;
  const identity = ['audit.v1.ListCommands', actor, method, target, outcome, from, to, correlation];
  const size = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
  const [after] = request.pageToken ? pageTokens.open(identity, request.pageToken) : [];

  // One row more than the page tells whether there is another page.
  const rows = await read.rows(pageStatement(list, after, size + 1));
  const page = rows.slice(0, size);
  const last = page.at(-1);
  return ok({
    commands: page.map(toCommandRecord),
    nextPageToken: last && rows.length > size ? pageTokens.seal(identity, [last.command_id]) : '',
  });
});

function listOf(request: ListCommandsRequest): CommandList {
  return {
    actor: request.actor || undefined,
    method: request.method || undefined,
    target: request.target || undefined,
    outcome: outcomeName(request.outcome),
    from: request.receivedFrom && receivedBound(request.receivedFrom),
    to: request.receivedTo && receivedBound(request.receivedTo),
    correlation: request.correlationId || undefined,
  };
}
