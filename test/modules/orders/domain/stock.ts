import { err, ok, type Result } from 'neverthrow';
import { OutOfStock } from './order-errors.ts';

export type StockEvent = { readonly type: 'StockTaken' | 'StockReturned'; readonly quantity: number };

/** How much there is of one product: an aggregate of one table, under the id of the product. */
export class Stock {
  private readonly _id: string;
  private _available: number;
  private _version: number;
  protected readonly _writes?: number;
  // Not stored.
  private _events?: StockEvent[];

  private constructor(id: string) {
    this._id = id;
    this._available = 0;
    this._version = 0;
  }

  static of(id: string, quantity: number): Stock {
    const stock = new Stock(id);
    stock.give(quantity);
    return stock;
  }

  get id(): string {
    return this._id;
  }

  get available(): number {
    return this._available;
  }

  get version(): number {
    return this._version;
  }

  get recordedEvents(): readonly StockEvent[] {
    return this._events ?? [];
  }

  take(quantity: number): Result<void, OutOfStock> {
    if (quantity > this._available) return err(new OutOfStock(this._id, this._available));
    this._available -= quantity;
    this.record({ type: 'StockTaken', quantity });
    return ok();
  }

  give(quantity: number): void {
    this._available += quantity;
    this.record({ type: 'StockReturned', quantity });
  }

  private record(event: StockEvent): void {
    if (!this._events) this._version += 1;
    this._events = [...(this._events ?? []), event];
  }
}
