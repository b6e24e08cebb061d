import { audit } from './audit.ts';
import { commands } from './commands.ts';
import { database } from './database.ts';
import { feed } from './feed.ts';
import { overview } from './overview.ts';
import { queries } from './queries.ts';
import { runtime } from './runtime.ts';

/** Every dashboard: `json` is what stands in ../dashboards under its name. `npm run generate` writes it. */
export const DASHBOARDS = [overview, commands, queries, database, audit, feed, runtime];
