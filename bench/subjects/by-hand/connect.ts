/** connect-node alone: the floor's handlers behind Connect's own server, gRPC at GRPC_ADDRESS and Connect at HTTP_ADDRESS. */
import { createServer as createHttp1Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { commandsByHand } from './commands.ts';
import { databasesByHand } from './databases.ts';
import { queriesByHand } from './queries.ts';
import { reportingFailures } from './reporting-failures.ts';

const notFound = (): Error => new ConnectError('there is no such user', Code.NotFound);
const { primary, replica } = databasesByHand(process.env);

const handler = connectNodeAdapter({
  routes(router) {
    router.service(QueryService, reportingFailures(queriesByHand(replica, notFound)));
    router.service(CommandService, reportingFailures(commandsByHand(primary, notFound)));
  },
});
createHttp2Server(handler).listen(portOf(process.env.GRPC_ADDRESS), '127.0.0.1');
createHttp1Server(handler).listen(portOf(process.env.HTTP_ADDRESS), '127.0.0.1');
process.once('SIGTERM', () => process.exit());

function portOf(address = '127.0.0.1:0'): number {
  return Number(address.split(':').at(-1));
}
