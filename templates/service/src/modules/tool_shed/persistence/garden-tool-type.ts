import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import type { AggregateType } from 'bicameral';
import { GardenToolSchema } from '#gen/tool_shed/v1/garden_tool_pb.js';
import { toGardenTool } from '../commands/to-garden-tool.ts';
import type { GardenTool } from '../domain/garden-tool.ts';
import { toMessage } from './garden-tool-event-messages.ts';
import { GardenToolMapping } from './garden-tool-mapping.ts';
import { gardenToolOverview } from './garden-tool-overview.ts';
import { gardenToolList } from './garden-tool-projections.ts';

/** How the unit of work keeps garden tools. */
export const GardenToolType: AggregateType<GardenTool> = {
  name: 'tool_shed.v1.GardenTool',
  mapping: GardenToolMapping,
  id: (gardenTool) => gardenTool.id,
  version: (gardenTool) => gardenTool.version,
  events: (gardenTool) => gardenTool.recordedEvents.map(toMessage),
  erasesPersonalData: () => false,
  snapshot: (gardenTool) => toJson(GardenToolSchema, create(GardenToolSchema, toGardenTool(gardenTool))) as JsonObject,
  projections: [gardenToolList, gardenToolOverview],
  violation: () => undefined,
};
