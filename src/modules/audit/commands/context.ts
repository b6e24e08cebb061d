import type { CommandContext } from '../../../kernel/bus/command.ts';
import type { NotSealed, Pruned } from '../../../kernel/command-log/seals/prune.ts';
import type { Obstacle } from '../rerun/obstacle.ts';
import type { Recorded } from '../rerun/recorded.ts';
import type { RerunReport } from '../rerun/rerun-recorded.ts';

/** What the commands of this module are given. */
export interface AuditCommandContext extends CommandContext {
  /** Removes months of the log in the transaction of the command: see `pruneLog`. */
  readonly pruneLog: (before: Date) => Promise<Pruned | NotSealed>;
  /** A command with its events, from the primary. Read outside the transaction, so that none is held open while it is run again. */
  readonly recorded: (commandId: string) => Promise<Recorded | undefined>;
  /** Runs it again in a transaction of its own, which is rolled back. */
  readonly rerun: (recorded: Recorded) => Promise<RerunReport | { readonly obstacle: Obstacle }>;
}
