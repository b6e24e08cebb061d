import { readStatements } from 'bicameral';

/** read.garden_tool_overview: one row a garden tool, kept by the command's own transaction. */
interface GardenToolOverviewTable {
  readonly id: string;
  readonly version: number;
}

export const statements = readStatements<{ 'read.garden_tool_overview': GardenToolOverviewTable }>();

/** The columns that queries return. */
export const GARDEN_TOOL_OVERVIEW_COLUMNS = ['id', 'version'] as const satisfies readonly (keyof GardenToolOverviewTable)[];
