import type { InlineProjection } from 'bicameral';
import type { GardenTool } from '../domain/garden-tool.ts';

/** What read.garden_tool_overview holds of a garden tool, kept in the transaction of the command that changes it. */
export const gardenToolOverview: InlineProjection<GardenTool> = {
  name: 'garden_tool_overview',
  statement: `insert into read.garden_tool_overview (id, version)
    select id, version from written
    on conflict (id) do update set version = excluded.version`,
};
