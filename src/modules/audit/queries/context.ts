import type { Registry } from '@bufbuild/protobuf';
import type { Verify } from '../../../audit/verify/verifications.ts';
import type { PageTokens } from '../../../cqrs/page-token.ts';
import type { QueryContext } from '../../../cqrs/query.ts';
import type { Reader } from '../../../postgres/reader/reader.ts';
import type { LogFeeds } from './log-feed.ts';

/** What the queries of this module are given. */
export interface AuditQueryContext extends QueryContext {
  readonly read: Reader;
  /** What streams follow the log by. */
  readonly feeds: LogFeeds;
  readonly pageTokens: PageTokens;
  /** The types of all events that modules store. */
  readonly eventTypes: Registry;
  /** Reads the primary, whatever database `read` is on: see `verifyLog`. */
  readonly verify: Verify;
}
