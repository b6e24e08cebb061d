import type { InlineProjection } from 'bicameral';
import type { JamJar } from '../domain/jam-jar.ts';

/** The rows that GetJamJar and ListJamJars read: a jam jar as they return it. */
export const jamJarList: InlineProjection<JamJar> = {
  name: 'jam_jar_list',
  statement: `insert into read.jam_jar_list (id, name, created_at, updated_at, version)
    select id, name, created_at, updated_at, version from written
    on conflict (id) do update set name = excluded.name, updated_at = excluded.updated_at, version = excluded.version`,
};
