import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { readStatements } from 'bicameral';
import type { Selectable } from 'kysely';
import type { GardenToolSchema } from '#gen/tool_shed/v1/garden_tool_pb.js';

/** read.garden_tool_list: one row a garden tool, kept by the command's own transaction. */
interface GardenToolListTable {
  readonly id: string;
  readonly name: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly version: number;
}

export const statements = readStatements<{ 'read.garden_tool_list': GardenToolListTable }>();

/** The columns that make a `GardenTool`. */
export const GARDEN_TOOL_COLUMNS = [
  'id',
  'name',
  'created_at',
  'updated_at',
  'version',
] as const satisfies readonly (keyof GardenToolListTable)[];

export type GardenToolRow = Pick<Selectable<GardenToolListTable>, (typeof GARDEN_TOOL_COLUMNS)[number]>;

export function toGardenTool(row: GardenToolRow): MessageInitShape<typeof GardenToolSchema> {
  return {
    id: row.id,
    name: row.name,
    createdAt: timestampFromDate(row.created_at),
    updatedAt: timestampFromDate(row.updated_at),
    version: BigInt(row.version),
  };
}
