import { Migration } from '@mikro-orm/migrations';

/** Orders with their lines, the products that they refer to, the stock that they take from, and their read models. */
export class Migration20261130100000Orders extends Migration {
  override up(): void {
    this.addSql('create table orders.product (id uuid primary key, name text not null, price_cents bigint not null)');
    this.addSql(`create table orders.stock (
      product_id uuid primary key references orders.product,
      available integer not null check (available >= 0),
      version integer not null,
      writes integer not null default 1
    )`);
    this.addSql(`create table orders."order" (
      id uuid primary key,
      customer text not null,
      status text not null check (status in ('placed', 'cancelled')),
      version integer not null,
      writes integer not null default 1
    )`);
    this.addSql(`create table orders.order_line (
      id uuid primary key,
      order_id uuid not null references orders."order",
      product_id uuid not null references orders.product,
      position integer not null,
      quantity integer not null check (quantity > 0),
      unit_price_cents bigint not null,
      unique (order_id, position)
    )`);
    this.addSql(`create table read.order_summary (
      id uuid primary key,
      customer text not null,
      status text not null,
      version integer not null,
      lines jsonb not null
    )`);
    this.addSql('create index order_summary_customer on read.order_summary (customer, id)');
    this.addSql('create table read.product_sales (product_id uuid primary key, sold bigint not null)');
  }
}
