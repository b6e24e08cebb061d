import { projection } from '../../../../src/kernel/feed/projection.ts';
import { StockTakenSchema } from '../../../gen/orders/v1/events_pb.js';

/** How much of a product was sold. */
export const productSales = projection({
  name: 'product_sales',
  events: [StockTakenSchema],
  tables: { sales: 'read.product_sales' },
  statements: ({ sales }) => ({
    sold: `insert into ${sales} as row (product_id, sold)
      select aggregate_id, sum((data ->> 'quantity')::integer) from events group by aggregate_id
      on conflict (product_id) do update set sold = row.sold + excluded.sold`,
  }),
});
