import { command } from 'bicameral';
import { err } from 'neverthrow';
import { CommandService } from '#gen/tool_shed/v1/command_service_pb.js';
import { GardenToolNotFound } from '../garden-tool-not-found.ts';
import type { ToolShedContext } from './context.ts';
import { toGardenTool } from './to-garden-tool.ts';

/** Retires a garden tool. */
export const retireGardenTool = command(
  CommandService.method.retireGardenTool,
  async (request, { gardenTools, now }: ToolShedContext) => {
    const gardenTool = await gardenTools.find(request.gardenToolId);
    if (!gardenTool) return err(new GardenToolNotFound(request.gardenToolId));

    return gardenTool
      .retire({ at: now, expectedVersion: request.expectedVersion })
      .map(() => ({ gardenTool: toGardenTool(gardenTool) }));
  },
);
