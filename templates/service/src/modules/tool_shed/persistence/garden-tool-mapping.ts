import { defineEntity, type EntityCtor, p } from '@mikro-orm/core';
import { GardenTool } from '../domain/garden-tool.ts';

/** Where a garden tool is kept: tool_shed."garden_tool". `writes` counts every update of the row, and one that was overtaken fails. */
export const GardenToolMapping = defineEntity({
  class: GardenTool as unknown as EntityCtor<GardenTool>,
  schema: 'tool_shed',
  tableName: 'garden_tool',
  properties: {
    _id: p.uuid().primary().fieldName('id'),
    _name: p.text().fieldName('name'),
    _createdAt: p.datetime(3).fieldName('created_at'),
    _updatedAt: p.datetime(3).fieldName('updated_at'),
    _version: p.integer().fieldName('version'),
    _writes: p.integer().version().fieldName('writes'),
  },
});
