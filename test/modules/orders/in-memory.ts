import { inMemory, type MemoryUnitOfWork, testId } from '../../../src/testing/index.ts';
import type { OrdersContext } from './commands/context.ts';
import type { Orders } from './domain/orders.ts';
import { Product } from './domain/product.ts';
import { Stock } from './domain/stock.ts';
import { orders } from './module.ts';
import { OrderType, StockType } from './persistence/order-types.ts';

/** The orders, kept in memory. */
const memoryOrders = (work: MemoryUnitOfWork): Orders => ({
  find: (id) => work.find(OrderType, id),
  add: (order) => work.add(OrderType, order),
  product: async (id) => work.table<Product>('products').get(id),
  stock: (productId) => work.find(StockType, productId),
});

/** Begins a test of a command of orders, in memory. */
export const { given } = inMemory<OrdersContext>(orders, {
  commandContext: (_, { work }) => ({ orders: memoryOrders(work) }),
});

export const TEA = new Product(testId('tea'), 'Tea', 250n);

/** Tea, and so much of it in stock: what is given before an order. */
export const tea = (available: number): readonly object[] => [
  (work: MemoryUnitOfWork) => work.table<Product>('products').set(TEA.id, TEA),
  Stock.of(TEA.id, available),
];
