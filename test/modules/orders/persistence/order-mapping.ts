import { defineEntity, type EntityCtor, p } from '@mikro-orm/core';
import { Order, OrderLine } from '../domain/order.ts';
import { Product } from '../domain/product.ts';
import { Stock } from '../domain/stock.ts';

const schema = 'orders';

export const ProductMapping = defineEntity({
  class: Product,
  schema,
  tableName: 'product',
  properties: { id: p.uuid().primary(), name: p.text(), priceCents: p.bigint('bigint').fieldName('price_cents') },
});

const OrderLineMapping = defineEntity({
  class: OrderLine as unknown as EntityCtor<OrderLine>,
  schema,
  tableName: 'order_line',
  properties: {
    id: p.uuid().primary(),
    order: () => p.manyToOne(OrderMapping),
    product: () => p.manyToOne(ProductMapping),
    position: p.integer(),
    quantity: p.integer(),
    unitPriceCents: p.bigint('bigint').fieldName('unit_price_cents'),
  },
});

export const OrderMapping = defineEntity({
  class: Order as unknown as EntityCtor<Order>,
  schema,
  tableName: 'order',
  properties: {
    _id: p.uuid().primary().fieldName('id'),
    _customer: p.text().fieldName('customer'),
    _status: p.text().fieldName('status'),
    _lines: () => p.oneToMany(OrderLineMapping).mappedBy('order').orphanRemoval().orderBy({ position: 'asc' }),
    _version: p.integer().fieldName('version'),
    _writes: p.integer().version().fieldName('writes'),
  },
});

export const StockMapping = defineEntity({
  class: Stock as unknown as EntityCtor<Stock>,
  schema,
  tableName: 'stock',
  properties: {
    _id: p.uuid().primary().fieldName('product_id'),
    _available: p.integer().fieldName('available'),
    _version: p.integer().fieldName('version'),
    _writes: p.integer().version().fieldName('writes'),
  },
});
