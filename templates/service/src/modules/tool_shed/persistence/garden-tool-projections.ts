import type { InlineProjection } from 'bicameral';
import type { GardenTool } from '../domain/garden-tool.ts';

/** What GetGardenTool and ListGardenTools read: a garden tool as it is returned. */
export const gardenToolList: InlineProjection<GardenTool> = {
  name: 'garden_tool_list',
  statement: `insert into read.garden_tool_list (id, name, created_at, updated_at, version)
    select id, name, created_at, updated_at, version from written
    on conflict (id) do update set name = excluded.name, updated_at = excluded.updated_at, version = excluded.version`,
};
