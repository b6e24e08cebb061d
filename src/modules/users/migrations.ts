import type { NamedMigration } from '../../kernel/database/named-migration.ts';
import { Migration20261123000000Users } from './migrations/20261123000000-users.ts';
import { Migration20261125100000Sessions } from './migrations/20261125100000-sessions.ts';
import { Migration20261125140000ComparedText } from './migrations/20261125140000-compared-text.ts';
import { Migration20261130000100UsersRights } from './migrations/20261130000100-users-rights.ts';
import { Migration20261130140000UserStatistics } from './migrations/20261130140000-user-statistics.ts';
import { Migration20261202100000PassedUsers } from './migrations/20261202100000-passed-users.ts';
import { Migration20261203100000ShortPendingList } from './migrations/20261203100000-short-pending-list.ts';

/** The changes of this module's schema, oldest first. */
export const migrations: readonly NamedMigration[] = [
  { name: '20261123000000-users', class: Migration20261123000000Users },
  { name: '20261125100000-sessions', class: Migration20261125100000Sessions },
  { name: '20261125140000-compared-text', class: Migration20261125140000ComparedText },
  { name: '20261130000100-users-rights', class: Migration20261130000100UsersRights },
  { name: '20261130140000-user-statistics', class: Migration20261130140000UserStatistics },
  { name: '20261202100000-passed-users', class: Migration20261202100000PassedUsers },
  { name: '20261203100000-short-pending-list', class: Migration20261203100000ShortPendingList },
];
