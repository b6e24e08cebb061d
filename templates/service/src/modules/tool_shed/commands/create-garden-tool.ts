import { command } from 'bicameral';
import { ok } from 'neverthrow';
import { CommandService } from '#gen/tool_shed/v1/command_service_pb.js';
import { GardenTool } from '../domain/garden-tool.ts';
import type { ToolShedContext } from './context.ts';
import { toGardenTool } from './to-garden-tool.ts';

/** Creates a garden tool. */
export const createGardenTool = command(
  CommandService.method.createGardenTool,
  async (request, { gardenTools, newId, now }: ToolShedContext) => {
    const gardenTool = GardenTool.create({ id: newId(), name: request.name, at: now });
    gardenTools.add(gardenTool);
    return ok({ gardenTool: toGardenTool(gardenTool) });
  },
);
