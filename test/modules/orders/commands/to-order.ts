import type { MessageInitShape } from '@bufbuild/protobuf';
import { type OrderSchema, OrderStatus } from '../../../gen/orders/v1/order_pb.js';
import type { Order } from '../domain/order.ts';

const STATUS = { placed: OrderStatus.PLACED, paid: OrderStatus.PAID, cancelled: OrderStatus.CANCELLED } as const;

export function toOrder({ id, customer, status, lines, version }: Order): MessageInitShape<typeof OrderSchema> {
  return {
    id,
    customer,
    status: STATUS[status],
    lines: lines.map(({ fact }) => fact),
    totalCents: lines.reduce((sum, { quantity, unitPriceCents }) => sum + BigInt(quantity) * unitPriceCents, 0n),
    version: BigInt(version),
  };
}
