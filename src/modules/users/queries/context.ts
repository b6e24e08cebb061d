import type { Registry } from '@bufbuild/protobuf';
import type { PageTokens } from '../../../kernel/bus/page-token.ts';
import type { QueryContext } from '../../../kernel/bus/query.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { LiveQuery } from '../../../kernel/feed/watching/live-query.ts';
import type { UserSamples } from '../read-model/user-sample.ts';
import type { WatchedUserRow } from '../read-model/watched-users.ts';

/** What the queries of this module are given. */
export interface UsersQueryContext extends QueryContext {
  readonly read: Reader;
  readonly pageTokens: PageTokens;
  /** What is known of all users without reading them. */
  readonly userSamples: UserSamples;
  /** The types of all events that modules store. */
  readonly eventTypes: Registry;
  /** What streams watch the users by. */
  readonly liveUsers: LiveQuery<WatchedUserRow>;
}
