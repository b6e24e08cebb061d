import type { Order } from './order.ts';
import type { Product } from './product.ts';
import type { Stock } from './stock.ts';

/** The orders, as commands see them. */
export interface Orders {
  readonly find: (id: string) => Promise<Order | undefined>;
  readonly add: (order: Order) => void;
  readonly product: (id: string) => Promise<Product | undefined>;
  readonly stock: (productId: string) => Promise<Stock | undefined>;
}
