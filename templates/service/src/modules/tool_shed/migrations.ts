import type { NamedMigration } from 'bicameral';
import { Migration20261130000001GardenTools } from './migrations/20261130000001-garden-tools.ts';
import { Migration20261130000002GardenToolOverview } from './migrations/20261130000002-garden-tool-overview.ts';
import { Migration20261130000003AnotherChange } from './migrations/20261130000003-another-change.ts';

/** The changes of this module's schema, oldest first. */
export const migrations: readonly NamedMigration[] = [
  { name: '20261130000001-garden-tools', class: Migration20261130000001GardenTools },
  { name: '20261130000002-garden-tool-overview', class: Migration20261130000002GardenToolOverview },
  { name: '20261130000003-another-change', class: Migration20261130000003AnotherChange },
];
