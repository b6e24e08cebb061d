import type { Verify } from '../../../audit/verify/verifications.ts';
import type { QueryContext } from '../../../cqrs/query.ts';
import type { Reader } from '../../../postgres/reader/reader.ts';

/** What the queries of this module are given. */
export interface AuditQueryContext extends QueryContext {
  readonly read: Reader;
  /** Reads the primary, whatever database `read` is on: see `verifyLog`. */
  readonly verify: Verify;
}
