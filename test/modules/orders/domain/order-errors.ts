import { domainError } from '../../../../src/kernel/bus/errors.ts';
import { Reason, ReasonSchema } from '../../../gen/orders/v1/reasons_pb.js';

export class OrderNotFound extends domainError(ReasonSchema, Reason.ORDER_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(id: string) {
    super('there is no such order');
    this.resource = { type: 'orders.v1.Order', name: id };
  }
}

export class ProductNotFound extends domainError(ReasonSchema, Reason.PRODUCT_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(id: string) {
    super('there is no such product');
    this.resource = { type: 'orders.v1.Product', name: id };
  }
}

export class LineNotFound extends domainError(ReasonSchema, Reason.LINE_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(id: string) {
    super('the order has no such line');
    this.resource = { type: 'orders.v1.OrderLine', name: id };
  }
}

export class OutOfStock extends domainError(ReasonSchema, Reason.OUT_OF_STOCK) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(productId: string, available: number) {
    super('there is less of the product than was ordered');
    this.metadata = { product_id: productId, available: String(available) };
  }
}

export class OrderPaid extends domainError(ReasonSchema, Reason.ORDER_PAID) {
  constructor() {
    super('the order is paid');
  }
}

export class OrderCancelled extends domainError(ReasonSchema, Reason.ORDER_CANCELLED) {
  constructor() {
    super('the order is cancelled');
  }
}
