import type { CommandContext } from 'bicameral';
import type { GardenTools } from '../domain/garden-tools.ts';

/** What the commands of this module are given. */
export interface ToolShedContext extends CommandContext {
  readonly gardenTools: GardenTools;
}
