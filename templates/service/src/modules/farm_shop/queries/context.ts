import type { PageTokens, QueryContext, Reader } from 'bicameral';

/** What the queries of this module are given. */
export interface FarmShopQueryContext extends QueryContext {
  readonly read: Reader;
  readonly pageTokens: PageTokens;
}
