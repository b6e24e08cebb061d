import type { GardenTool } from './garden-tool.ts';

/** The garden tools as commands see them: bound to the command's transaction. */
export interface GardenTools {
  find(id: string): Promise<GardenTool | undefined>;
  add(gardenTool: GardenTool): void;
}
