import { query } from 'bicameral';
import { sql } from 'kysely';
import { ok } from 'neverthrow';
import { QueryService } from '#gen/tool_shed/v1/query_service_pb.js';
import { GARDEN_TOOL_COLUMNS, statements, toGardenTool } from '../read-model/garden-tool-list.ts';
import type { ToolShedQueryContext } from './context.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;
const LIST = ['tool_shed.v1.ListGardenTools'];

/** From the row behind this time and id on; ids break ties, so that no row is on two pages or on none. */
const pageBehind = (createdAt: string, id: string, limit: number) =>
  statements
    .selectFrom('read.garden_tool_list')
    .select(GARDEN_TOOL_COLUMNS)
    .where(sql<boolean>`(created_at, id) > (${createdAt}::timestamptz, ${id}::uuid)`)
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .compile();

/** Before every row. */
const BEGINNING = ['-infinity', '00000000-0000-0000-0000-000000000000'] as const;

/** Returns garden tools page by page, the oldest first. */
export const listGardenTools = query(
  QueryService.method.listGardenTools,
  async (request, { read, pageTokens }: ToolShedQueryContext) => {
    const size = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
    const [createdAt, id] = request.pageToken ? (pageTokens.open(LIST, request.pageToken) as [string, string]) : BEGINNING;

    // One row more than the page tells whether there is another page.
    const rows = await read.rows(pageBehind(createdAt, id, size + 1));
    const page = rows.slice(0, size);
    const last = page.at(-1);
    return ok({
      gardenTools: page.map(toGardenTool),
      nextPageToken: last && rows.length > size ? pageTokens.seal(LIST, [last.created_at.toISOString(), last.id]) : '',
    });
  },
);
