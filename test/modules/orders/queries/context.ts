import type { QueryContext } from '../../../../src/kernel/bus/query.ts';
import type { Reader } from '../../../../src/kernel/database/read/reader.ts';

export interface OrdersQueryContext extends QueryContext {
  readonly read: Reader;
}
