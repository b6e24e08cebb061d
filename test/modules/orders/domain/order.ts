import { Collection } from '@mikro-orm/core';
import { err, ok, type Result } from 'neverthrow';
import { LineNotFound, OrderCancelled, OrderPaid } from './order-errors.ts';
import type { Product } from './product.ts';

export type OrderStatus = 'placed' | 'paid' | 'cancelled';

export interface LineFact {
  readonly id: string;
  readonly productId: string;
  readonly quantity: number;
  readonly unitPriceCents: bigint;
}

export type OrderEvent =
  | { readonly type: 'OrderPlaced'; readonly customer: string; readonly lines: readonly LineFact[] }
  | { readonly type: 'OrderLineAdded'; readonly line: LineFact }
  | { readonly type: 'OrderLineRemoved'; readonly lineId: string }
  | { readonly type: 'OrderPaid' }
  | { readonly type: 'OrderCancelled' };

/** One product of an order, at the price of when it was ordered. It exists within its order alone. */
export class OrderLine {
  readonly id: string;
  readonly order: Order;
  private readonly product: Product;
  /** Its place among the lines. */
  readonly position: number;
  readonly quantity: number;
  readonly unitPriceCents: bigint;

  constructor(order: Order, position: number, line: { id: string; product: Product; quantity: number }) {
    this.id = line.id;
    this.position = position;
    this.order = order;
    this.product = line.product;
    this.quantity = line.quantity;
    this.unitPriceCents = line.product.priceCents;
  }

  /** All that is known of the product without loading it. */
  get productId(): string {
    return this.product.id;
  }

  get fact(): LineFact {
    const { id, productId, quantity, unitPriceCents } = this;
    return { id, productId, quantity, unitPriceCents };
  }
}

/** An order with its lines: one aggregate in two tables. */
export class Order {
  private readonly _id: string;
  private readonly _customer: string;
  private _status: OrderStatus;
  private readonly _lines = new Collection<OrderLine>(this);
  private _version: number;
  protected readonly _writes?: number;
  // Not stored.
  private _events?: OrderEvent[];

  private constructor(id: string, customer: string) {
    this._id = id;
    this._customer = customer;
    this._status = 'placed';
    this._version = 0;
  }

  static place(order: {
    id: string;
    customer: string;
    lines: readonly { id: string; product: Product; quantity: number }[];
  }): Order {
    const placed = new Order(order.id, order.customer);
    for (const [index, line] of order.lines.entries()) placed._lines.add(new OrderLine(placed, index + 1, line));
    placed.record({ type: 'OrderPlaced', customer: order.customer, lines: placed.lines.map(({ fact }) => fact) });
    return placed;
  }

  get id(): string {
    return this._id;
  }

  get customer(): string {
    return this._customer;
  }

  get status(): OrderStatus {
    return this._status;
  }

  get lines(): readonly OrderLine[] {
    return this._lines.getItems();
  }

  get version(): number {
    return this._version;
  }

  get recordedEvents(): readonly OrderEvent[] {
    return this._events ?? [];
  }

  addLine(line: { id: string; product: Product; quantity: number }): Result<void, OrderPaid | OrderCancelled> {
    const closed = this.closed();
    if (closed) return err(closed);
    const added = new OrderLine(this, (this.lines.at(-1)?.position ?? 0) + 1, line);
    this._lines.add(added);
    this.record({ type: 'OrderLineAdded', line: added.fact });
    return ok();
  }

  /** Answers the line that it removed. */
  removeLine(lineId: string): Result<LineFact, OrderPaid | OrderCancelled | LineNotFound> {
    const closed = this.closed();
    if (closed) return err(closed);
    const line = this.lines.find(({ id }) => id === lineId);
    if (!line) return err(new LineNotFound(lineId));
    const { fact } = line;
    this._lines.remove(line);
    this.record({ type: 'OrderLineRemoved', lineId });
    return ok(fact);
  }

  pay(): Result<void, OrderPaid | OrderCancelled> {
    const closed = this.closed();
    if (closed) return err(closed);
    this._status = 'paid';
    this.record({ type: 'OrderPaid' });
    return ok();
  }

  cancel(): Result<readonly LineFact[], OrderPaid | OrderCancelled> {
    const closed = this.closed();
    if (closed) return err(closed);
    this._status = 'cancelled';
    this.record({ type: 'OrderCancelled' });
    return ok(this.lines.map(({ fact }) => fact));
  }

  /** Why it stays as it is. */
  private closed(): OrderPaid | OrderCancelled | undefined {
    if (this._status === 'paid') return new OrderPaid();
    return this._status === 'cancelled' ? new OrderCancelled() : undefined;
  }

  private record(event: OrderEvent): void {
    if (!this._events) this._version += 1;
    this._events = [...(this._events ?? []), event];
  }
}
