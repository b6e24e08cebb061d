import type { HandlersOf } from '../../../src/kernel/bus/handler.ts';
import { CommandService } from '../../gen/orders/v1/command_service_pb.js';
import { QueryService } from '../../gen/orders/v1/query_service_pb.js';
import { addLine } from './commands/add-line.ts';
import { cancelOrder } from './commands/cancel-order.ts';
import { payOrder } from './commands/pay-order.ts';
import { placeOrder } from './commands/place-order.ts';
import { removeLine } from './commands/remove-line.ts';
import { getOrder } from './queries/get-order.ts';
import { listOrders } from './queries/list-orders.ts';
import { watchOrders } from './queries/watch-orders.ts';

const commandService = { placeOrder, addLine, removeLine, payOrder, cancelOrder } satisfies HandlersOf<typeof CommandService>;
const queryService = { getOrder, listOrders, watchOrders } satisfies HandlersOf<typeof QueryService>;

export const services = [
  { kind: 'command', service: CommandService, handlers: commandService },
  { kind: 'query', service: QueryService, handlers: queryService },
] as const;
