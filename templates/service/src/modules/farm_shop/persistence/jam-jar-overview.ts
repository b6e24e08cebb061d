import type { InlineProjection } from 'bicameral';
import type { JamJar } from '../domain/jam-jar.ts';

/** The row of a jam jar in read.jam_jar_overview, written in the transaction of the command that changes it. */
export const jamJarOverview: InlineProjection<JamJar> = {
  name: 'jam_jar_overview',
  statement: `insert into read.jam_jar_overview (id, version)
    select id, version from written
    on conflict (id) do update set version = excluded.version`,
};
