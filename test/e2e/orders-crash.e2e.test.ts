import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { CommandService } from '../gen/orders/v1/command_service_pb.js';
import type { Order } from '../gen/orders/v1/order_pb.js';
import { withToken } from '../support/callers.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { processesIn, signalAll } from '../support/processes.ts';
import { type Repeated, repeated } from '../support/repeated.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { connectTo } from './acknowledged-commands.ts';

const main = join(import.meta.dirname, '../modules/orders/main.ts');
const products = [randomUUID(), randomUUID(), randomUUID()];
const IN_STOCK = 1_000_000;

const dataDir = temporaryDataDir();
let service: Service;
let token: string;

beforeAll(async () => {
  service = await startService({ dataDir: dataDir.path, main });
  token = await service.adminToken();
  await using database = await connectTo(dataDir.path);
  for (const product of products) {
    await database.query(`insert into orders.product values ($1, 'Tea', 250)`, [product]);
    await database.query('insert into orders.stock values ($1, $2, 1)', [product, IN_STOCK]);
  }
});
afterAll(async () => {
  await service?.stop();
  signalAll(processesIn(dataDir.path), 'SIGKILL');
  await dataDir[Symbol.asyncDispose]();
});

/** Each caller places orders and changes them, and leaves an order when a command fails. */
function orderOver(transport: ReturnType<typeof grpcJsTransport>, acknowledged: Order[]): Repeated {
  const commands = createClient(CommandService, withToken(transport, token));
  const known = async (call: Promise<{ order?: Order | undefined }>): Promise<Order> => {
    const { order } = await call;
    if (!order) throw new Error('the answer has no order');
    acknowledged.push(order);
    return order;
  };
  const line = () => ({ productId: products[Math.floor(Math.random() * products.length)] ?? '', quantity: 1 });
  return repeated(8, async (isOver) => {
    const { id: orderId } = await known(commands.placeOrder({ lines: [line(), line()] }));
    if (isOver()) return;
    const { lines } = await known(commands.addLine({ orderId, line: line() }));
    if (isOver()) return;
    await known(commands.removeLine({ orderId, lineId: lines[0]?.id ?? '' }));
    if (!isOver() && Math.random() < 0.5) await known(commands.cancelOrder({ orderId }));
  });
}

/** What was acknowledged and is not there: the order at that version or a later one, with its event. */
async function missing(database: pg.ClientBase, acknowledged: readonly Order[]): Promise<unknown[]> {
  const { rows } = await database.query(
    `select known.* from unnest($1::uuid[], $2::integer[]) as known (id, version)
     where not exists (select from orders."order" o where o.id = known.id and o.version >= known.version)
       or not exists (select from cqrs.event e where e.aggregate_id = known.id and e.aggregate_version = known.version)`,
    [acknowledged.map(({ id }) => id), acknowledged.map(({ version }) => Number(version))],
  );
  return rows;
}

/** Where the tables of a command say different things: rows, parts, read models and events are written together or not at all. */
async function halfWritten(database: pg.ClientBase): Promise<unknown[]> {
  const { rows } = await database.query(
    `with ordered as (
       select product_id, sum(quantity) as quantity from orders.order_line join orders."order" on "order".id = order_id
       where status = 'placed' group by product_id),
     moved as (select aggregate_id, max(aggregate_version) as version, count(distinct command_id) as commands from cqrs.event group by aggregate_id)
     select 'stock' as what, product_id::text as id from orders.stock left join ordered using (product_id) left join moved on aggregate_id = product_id
     where available + coalesce(quantity, 0) <> $1 or coalesce(moved.version, 1) <> stock.version or coalesce(moved.commands, 0) <> stock.version - 1
     union all
     select 'order', id::text from orders."order" full join read.order_summary summary using (id) left join moved on aggregate_id = id
     where "order".version is distinct from summary.version or "order".version is distinct from moved.version
       or moved.commands is distinct from "order".version
       or jsonb_array_length(summary.lines) is distinct from (select count(*)::integer from orders.order_line where order_id = "order".id)
     union all
     select 'record', command_id::text from cqrs.command_log
     where aggregate_type = 'orders.v1.Order' and outcome = 'succeeded'
       and cardinality(event_ids) <> (select count(*) from cqrs.event where event.command_id = command_log.command_id)`,
    [IN_STOCK],
  );
  return rows;
}

describe('a program that is killed while commands change several aggregates', () => {
  it.each([1, 2, 3])('has lost nothing that it acknowledged and half of nothing, round %i', async () => {
    const acknowledged: Order[] = [];
    {
      const transport = grpcJsTransport(service.grpcAddress);
      await using _ = orderOver(transport, acknowledged);
      while (acknowledged.length < 60) await sleep(5);
      await sleep(Math.random() * 300);
      await service.kill();
      transport.close();
    }
    service = await startService({ dataDir: dataDir.path, main });
    await using database = await connectTo(dataDir.path);
    expect(await missing(database, acknowledged)).toEqual([]);
    expect(await halfWritten(database)).toEqual([]);
  });
});
