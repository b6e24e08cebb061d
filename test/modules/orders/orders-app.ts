import { randomUUID } from 'node:crypto';
import type { Client } from '@connectrpc/connect';
import { application } from '../../../src/app.ts';
import { CommandService } from '../../gen/orders/v1/command_service_pb.js';
import { QueryService } from '../../gen/orders/v1/query_service_pb.js';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { orders } from './module.ts';

/** The program with the module of orders. */
export const startOrdersApp = (beside?: TestApp): Promise<TestApp> =>
  startTestApp({ as: { ...application, modules: [...application.modules, orders] }, ...(beside && { beside }) });

/** A product with so much in stock; answers its id. */
export async function stocked({ database }: Pick<TestApp, 'database'>, available: number, priceCents = 250): Promise<string> {
  const id = randomUUID();
  await database.query(`insert into orders.product values ($1, 'Tea', $2)`, [id, priceCents]);
  await database.query('insert into orders.stock values ($1, $2, 1)', [id, available]);
  return id;
}

export interface Customer {
  readonly commands: Client<typeof CommandService>;
  readonly queries: Client<typeof QueryService>;
}

export function customer(app: TestApp, id: string = randomUUID()): Customer {
  const caller = { roles: [], id };
  return { commands: app.client(CommandService, caller), queries: app.client(QueryService, caller) };
}

/** What is in the tables of a product: in stock, within orders that stand, and sold by its read model. */
export async function countsOf({ database }: Pick<TestApp, 'database'>, product: string): Promise<Record<string, number>> {
  const [counts] = await database.query<Record<string, number>>(
    `select available, version,
       (select coalesce(sum(quantity), 0)::integer from orders.order_line join orders."order" on "order".id = order_id
        where product_id = $1 and status = 'placed') as ordered,
       (select count(*)::integer from cqrs.event where aggregate_id = $1) as events,
       (select coalesce(sum(sold), 0)::integer from read.product_sales where product_id = $1) as sold
     from orders.stock where product_id = $1`,
    [product],
  );
  return counts ?? {};
}
