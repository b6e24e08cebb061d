import type { PageTokens, QueryContext, Reader } from 'bicameral';

/** The context that the queries of this module get. */
export interface FarmShopQueryContext extends QueryContext {
  readonly read: Reader;
  readonly pageTokens: PageTokens;
}
