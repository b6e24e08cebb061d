import { readStatements } from 'bicameral';

/** read.jam_jar_overview: one row a jam jar, kept by the command's own transaction. */
interface JamJarOverviewTable {
  readonly id: string;
  readonly version: number;
}

export const statements = readStatements<{ 'read.jam_jar_overview': JamJarOverviewTable }>();

/** The columns that queries return. */
export const JAM_JAR_OVERVIEW_COLUMNS = ['id', 'version'] as const satisfies readonly (keyof JamJarOverviewTable)[];
