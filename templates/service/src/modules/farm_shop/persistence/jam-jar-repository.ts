import type { UnitOfWork } from 'bicameral';
import type { JamJars } from '../domain/jam-jars.ts';
import { JamJarType } from './jam-jar-type.ts';

/** The jam jars, kept in PostgreSQL by a unit of work. */
export function jamJarRepository(work: UnitOfWork): JamJars {
  return {
    find: (id) => work.find(JamJarType, id),
    add: (jamJar) => work.add(JamJarType, jamJar),
  };
}
