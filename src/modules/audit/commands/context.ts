import type { CommandContext } from '../../../kernel/bus/command.ts';
import type { NotSealed, Pruned } from '../../../kernel/command-log/seals/prune.ts';
import type { Obstacle } from '../replay/not-replayable.ts';
import type { Recorded } from '../replay/recorded.ts';
import type { ReplayReport } from '../replay/replay-recorded.ts';

/** What the commands of this module are given. */
export interface AuditCommandContext extends CommandContext {
  /** Removes months of the log in the transaction of the command: see `pruneLog`. */
  readonly pruneLog: (before: Date) => Promise<Pruned | NotSealed>;
  /** A command with its events, from the primary. Read outside the transaction, so that none is held open while it is run again. */
  readonly recorded: (commandId: string) => Promise<Recorded | undefined>;
  /** Runs it again in a transaction of its own, which is rolled back. */
  readonly replay: (recorded: Recorded) => Promise<ReplayReport | { readonly obstacle: Obstacle }>;
}
