import type { Registry } from '@bufbuild/protobuf';
import type { PageTokens } from '../../../kernel/bus/page-token.ts';
import type { QueryContext } from '../../../kernel/bus/query.ts';
import type { Verify } from '../../../kernel/command-log/seals/verify/verifications.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { Tails } from '../../../kernel/feed/tails.ts';
import type { SealedEntry } from '../read-model/sealed-log.ts';

/** What the queries of this module are given. */
export interface AuditQueryContext extends QueryContext {
  readonly read: Reader;
  /** What streams follow the log by. */
  readonly tails: Tails<SealedEntry>;
  readonly pageTokens: PageTokens;
  /** The types of all events that modules store. */
  readonly eventTypes: Registry;
  /** Reads the primary, whatever database `read` is on: see `verifyLog`. */
  readonly verify: Verify;
}
