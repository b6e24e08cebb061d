import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { GardenToolSchema } from '#gen/tool_shed/v1/garden_tool_pb.js';
import type { GardenTool } from '../domain/garden-tool.ts';

/** A garden tool as commands return it: as it will be once the command is committed. */
export function toGardenTool(gardenTool: GardenTool): MessageInitShape<typeof GardenToolSchema> {
  return {
    id: gardenTool.id,
    name: gardenTool.name,
    createdAt: timestampFromDate(gardenTool.createdAt),
    updatedAt: timestampFromDate(gardenTool.updatedAt),
    version: BigInt(gardenTool.version),
  };
}
