import type { MessageInitShape } from '@bufbuild/protobuf';
import { readStatements } from '../../../../src/kernel/database/read/read-statements.ts';
import { type OrderSchema, OrderStatus } from '../../../gen/orders/v1/order_pb.js';

/** read.order_summary: one row an order, kept by the command's own transaction. */
export interface OrderRow {
  readonly id: string;
  readonly customer: string;
  readonly status: 'placed' | 'paid' | 'cancelled';
  readonly version: number;
  readonly lines: { id: string; product_id: string; quantity: number; unit_price_cents: number }[];
}

export const statements = readStatements<{ 'read.order_summary': OrderRow }>();

export const ORDER_COLUMNS = ['id', 'customer', 'status', 'version', 'lines'] as const;

const STATUS = { placed: OrderStatus.PLACED, paid: OrderStatus.PAID, cancelled: OrderStatus.CANCELLED } as const;

export function toOrder({ id, customer, status, version, lines }: OrderRow): MessageInitShape<typeof OrderSchema> {
  return {
    id,
    customer,
    status: STATUS[status],
    version: BigInt(version),
    lines: lines.map((line) => ({
      id: line.id,
      productId: line.product_id,
      quantity: line.quantity,
      unitPriceCents: BigInt(line.unit_price_cents),
    })),
    totalCents: lines.reduce((sum, line) => sum + BigInt(line.quantity) * BigInt(line.unit_price_cents), 0n),
  };
}
