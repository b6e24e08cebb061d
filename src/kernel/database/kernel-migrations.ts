import { Migration20261124000000CommandLog } from './migrations/20261124000000-command-log.ts';
import { Migration20261125110000Guesses } from './migrations/20261125110000-guesses.ts';
import { Migration20261125120000SigningKeys } from './migrations/20261125120000-signing-keys.ts';
import { Migration20261125120100Issuer } from './migrations/20261125120100-issuer.ts';
import { Migration20261125130000LeastRights } from './migrations/20261125130000-least-rights.ts';
import { Migration20261125130100MonthsAhead } from './migrations/20261125130100-months-ahead.ts';
import { Migration20261125130200PruneMarks } from './migrations/20261125130200-prune-marks.ts';
import { Migration20261130000000ReadModels } from './migrations/20261130000000-read-models.ts';
import { Migration20261130010000RequestExcerpt } from './migrations/20261130010000-request-excerpt.ts';
import { Migration20261130120000Feed } from './migrations/20261130120000-feed.ts';
import { Migration20261130130000Causes } from './migrations/20261130130000-causes.ts';
import { Migration20261130140000RestoredLog } from './migrations/20261130140000-restored-log.ts';
import { Migration20261130150000Rebuilds } from './migrations/20261130150000-rebuilds.ts';
import { Migration20261201100000Timelines } from './migrations/20261201100000-timelines.ts';
import { Migration20261201110000Timers } from './migrations/20261201110000-timers.ts';
import type { NamedMigration } from './named-migration.ts';

/** The changes of the kernel's own schema, oldest first. */
export const KERNEL_MIGRATIONS: readonly NamedMigration[] = [
  { name: '20261124000000-command-log', class: Migration20261124000000CommandLog },
  { name: '20261125110000-guesses', class: Migration20261125110000Guesses },
  { name: '20261125120000-signing-keys', class: Migration20261125120000SigningKeys },
  { name: '20261125120100-issuer', class: Migration20261125120100Issuer },
  { name: '20261125130000-least-rights', class: Migration20261125130000LeastRights },
  { name: '20261125130100-months-ahead', class: Migration20261125130100MonthsAhead },
  { name: '20261125130200-prune-marks', class: Migration20261125130200PruneMarks },
  { name: '20261130000000-read-models', class: Migration20261130000000ReadModels },
  { name: '20261130010000-request-excerpt', class: Migration20261130010000RequestExcerpt },
  { name: '20261130120000-feed', class: Migration20261130120000Feed },
  { name: '20261130130000-causes', class: Migration20261130130000Causes },
  { name: '20261130140000-restored-log', class: Migration20261130140000RestoredLog },
  { name: '20261130150000-rebuilds', class: Migration20261130150000Rebuilds },
  { name: '20261201100000-timelines', class: Migration20261201100000Timelines },
  { name: '20261201110000-timers', class: Migration20261201110000Timers },
];
