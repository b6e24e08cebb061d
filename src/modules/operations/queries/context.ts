import type { PageTokens } from '../../../kernel/bus/page-token.ts';
import type { QueryContext } from '../../../kernel/bus/query.ts';
import type { MarkHolder } from '../../../kernel/database/mark-holder.ts';
import type { DatabaseState } from '../../../kernel/database/read/read-side.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { DeclaredProjection } from '../../../kernel/feed/declared-projections.ts';

/** What the queries of this module are given. */
export interface OperationsQueryContext extends QueryContext {
  readonly read: Reader;
  readonly pageTokens: PageTokens;
  /** Every projection of the service, by name. */
  readonly projections: ReadonlyMap<string, DeclaredProjection>;
  /** How this instance sees the databases now. */
  readonly databases: () => readonly DatabaseState[];
  /** The oldest transaction that writes: nothing behind it can be sealed. */
  readonly heldUpBy: () => MarkHolder | undefined;
}
