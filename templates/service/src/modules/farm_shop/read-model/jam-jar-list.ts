import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { readStatements } from 'bicameral';
import type { Selectable } from 'kysely';
import type { JamJarSchema } from '#gen/farm_shop/v1/jam_jar_pb.js';

/** read.jam_jar_list: one row a jam jar, kept by the command's own transaction. */
interface JamJarListTable {
  readonly id: string;
  readonly name: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly version: number;
}

export const statements = readStatements<{ 'read.jam_jar_list': JamJarListTable }>();

/** The columns that make a `JamJar`. */
export const JAM_JAR_COLUMNS = [
  'id',
  'name',
  'created_at',
  'updated_at',
  'version',
] as const satisfies readonly (keyof JamJarListTable)[];

export type JamJarRow = Pick<Selectable<JamJarListTable>, (typeof JAM_JAR_COLUMNS)[number]>;

export function toJamJar(row: JamJarRow): MessageInitShape<typeof JamJarSchema> {
  return {
    id: row.id,
    name: row.name,
    createdAt: timestampFromDate(row.created_at),
    updatedAt: timestampFromDate(row.updated_at),
    version: BigInt(row.version),
  };
}
