import type { NamedMigration } from 'bicameral';
import { Migration20261130000001JamJars } from './migrations/20261130000001-jam-jars.ts';
import { Migration20261130000002JamJarOverview } from './migrations/20261130000002-jam-jar-overview.ts';
import { Migration20261130000003AnotherChange } from './migrations/20261130000003-another-change.ts';

/** The changes of this module's schema, oldest first. */
export const migrations: readonly NamedMigration[] = [
  { name: '20261130000001-jam-jars', class: Migration20261130000001JamJars },
  { name: '20261130000002-jam-jar-overview', class: Migration20261130000002JamJarOverview },
  { name: '20261130000003-another-change', class: Migration20261130000003AnotherChange },
];
