import type { NotSealed, Pruned } from '../../../audit/prune.ts';
import type { CommandContext } from '../../../cqrs/command.ts';

/** What the commands of this module are given. */
export interface AuditCommandContext extends CommandContext {
  /** Removes months of the log in the transaction of the command: see `pruneLog`. */
  readonly pruneLog: (before: Date) => Promise<Pruned | NotSealed>;
}
