import type { UnitOfWork } from 'bicameral';
import type { GardenTools } from '../domain/garden-tools.ts';
import { GardenToolType } from './garden-tool-type.ts';

/** The garden tools, kept in PostgreSQL by a unit of work. */
export function gardenToolRepository(work: UnitOfWork): GardenTools {
  return {
    find: (id) => work.find(GardenToolType, id),
    add: (gardenTool) => work.add(GardenToolType, gardenTool),
  };
}
