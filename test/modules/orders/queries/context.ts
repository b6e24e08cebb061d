import type { QueryContext } from '../../../../src/kernel/bus/query.ts';
import type { Reader } from '../../../../src/kernel/database/read/reader.ts';
import type { LiveQuery } from '../../../../src/kernel/feed/watching/live-query.ts';
import type { OrderRow } from '../read-model/order-summary.ts';

export interface OrdersQueryContext extends QueryContext {
  readonly read: Reader;
  readonly liveOrders: LiveQuery<OrderRow>;
}
