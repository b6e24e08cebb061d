import { query } from 'bicameral';
import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/tool_shed/v1/query_service_pb.js';
import { GardenToolNotFound } from '../garden-tool-not-found.ts';
import { GARDEN_TOOL_COLUMNS, statements, toGardenTool } from '../read-model/garden-tool-list.ts';
import type { ToolShedQueryContext } from './context.ts';

const byId = statements.selectFrom('read.garden_tool_list').select(GARDEN_TOOL_COLUMNS).where('id', '=', '').compile();

/** Returns one garden tool. */
export const getGardenTool = query(QueryService.method.getGardenTool, async (request, { read }: ToolShedQueryContext) => {
  const row = await read.row(byId, [request.gardenToolId]);
  return row ? ok({ gardenTool: toGardenTool(row) }) : err(new GardenToolNotFound(request.gardenToolId));
});
