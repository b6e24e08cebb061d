import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import type { AggregateType, EventMessage, InlineProjection } from '../../../../src/kernel/database/write/aggregate-type.ts';
import {
  OrderCancelledSchema,
  OrderLineAddedSchema,
  OrderLineRemovedSchema,
  OrderPaidSchema,
  OrderPlacedSchema,
  StockReturnedSchema,
  StockTakenSchema,
} from '../../../gen/orders/v1/events_pb.js';
import { OrderSchema } from '../../../gen/orders/v1/order_pb.js';
import { toOrder } from '../commands/to-order.ts';
import type { Order, OrderEvent } from '../domain/order.ts';
import type { Stock, StockEvent } from '../domain/stock.ts';
import { productSales } from '../projections/product-sales.ts';
import { OrderMapping, StockMapping } from './order-mapping.ts';

/** What GetOrder and ListOrders read: an order with its lines as they are answered. */
const orderSummary: InlineProjection<Order> = {
  name: 'order_summary',
  statement: `insert into read.order_summary (id, customer, status, version, lines)
    select written.id, written.customer, written.status, written.version, coalesce(lines, '[]')
    from written, lateral (
      select jsonb_agg(jsonb_build_object('id', id, 'product_id', product_id, 'quantity', quantity, 'unit_price_cents', unit_price_cents)
        order by position) as lines
      from orders.order_line where order_id = written.id) as line
    on conflict (id) do update set status = excluded.status, version = excluded.version, lines = excluded.lines`,
};

function orderEvent(event: OrderEvent): EventMessage {
  switch (event.type) {
    case 'OrderPlaced':
      return {
        schema: OrderPlacedSchema,
        message: create(OrderPlacedSchema, { customer: event.customer, lines: [...event.lines] }),
      };
    case 'OrderLineAdded':
      return { schema: OrderLineAddedSchema, message: create(OrderLineAddedSchema, { line: event.line }) };
    case 'OrderLineRemoved':
      return { schema: OrderLineRemovedSchema, message: create(OrderLineRemovedSchema, { lineId: event.lineId }) };
    case 'OrderPaid':
      return { schema: OrderPaidSchema, message: create(OrderPaidSchema) };
    case 'OrderCancelled':
      return { schema: OrderCancelledSchema, message: create(OrderCancelledSchema) };
    default:
      return event satisfies never;
  }
}

function stockEvent({ type, quantity }: StockEvent): EventMessage {
  const schema = type === 'StockTaken' ? StockTakenSchema : StockReturnedSchema;
  return { schema, message: create(schema, { quantity }) };
}

export const OrderType: AggregateType<Order> = {
  name: 'orders.v1.Order',
  mapping: OrderMapping,
  id: ({ id }) => id,
  version: ({ version }) => version,
  events: ({ recordedEvents }) => recordedEvents.map(orderEvent),
  erasesPersonalData: () => false,
  snapshot: (order) => toJson(OrderSchema, create(OrderSchema, toOrder(order))) as JsonObject,
  projections: [orderSummary],
  violation: () => undefined,
};

export const StockType: AggregateType<Stock> = {
  name: 'orders.v1.Stock',
  mapping: StockMapping,
  id: ({ id }) => id,
  version: ({ version }) => version,
  events: ({ recordedEvents }) => recordedEvents.map(stockEvent),
  erasesPersonalData: () => false,
  projections: [productSales],
  violation: () => undefined,
};
