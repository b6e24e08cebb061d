import type { PageTokens, QueryContext, Reader } from 'bicameral';

/** What the queries of this module are given. */
export interface ToolShedQueryContext extends QueryContext {
  readonly read: Reader;
  readonly pageTokens: PageTokens;
}
