import type { UnitOfWork } from '../../../../src/kernel/database/write/unit-of-work.ts';
import type { Orders } from '../domain/orders.ts';
import { Product } from '../domain/product.ts';
import { OrderType, StockType } from './order-types.ts';

/** The orders, kept in PostgreSQL by a unit of work. */
export const orderRepository = (work: UnitOfWork): Orders => ({
  find: (id) => work.find(OrderType, id),
  add: (order) => work.add(OrderType, order),
  product: async (id) => (await work.manager.findOne(Product, { id })) ?? undefined,
  stock: (productId) => work.find(StockType, productId),
});
