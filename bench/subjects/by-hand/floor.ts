/** The floor: grpc-js and pg, the service's statements and nothing else. Listens at GRPC_ADDRESS until it is ended. */
import { create, type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServiceDefinition, type sendUnaryData, status } from '@grpc/grpc-js';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { commandsByHand } from './commands.ts';
import { databasesByHand } from './databases.ts';
import { queriesByHand } from './queries.ts';
import { reportingFailures } from './reporting-failures.ts';

type Handler = (request: never) => Promise<object>;

const notFound = (): Error => Object.assign(new Error('there is no such user'), { code: status.NOT_FOUND });
const { primary, replica } = databasesByHand(process.env);
const server = new Server();
serve(QueryService, reportingFailures({ ...queriesByHand(replica, notFound) }));
serve(CommandService, reportingFailures({ ...commandsByHand(primary, notFound) }));
server.bindAsync(process.env.GRPC_ADDRESS ?? '127.0.0.1:50051', ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
process.once('SIGTERM', () => process.exit());

function serve(service: DescService, handlers: Readonly<Record<string, Handler>>): void {
  const methods = service.methods.filter(({ localName }) => localName in handlers);
  const calls = methods.map((method) => [
    method.localName,
    ({ request }: { request: never }, answer: sendUnaryData<object>) => {
      const handler = handlers[method.localName];
      handler?.(request).then(
        (message) => answer(null, message),
        (failure) => answer(failure),
      );
    },
  ]);
  const definition = Object.fromEntries(methods.map((method) => [method.localName, definitionOf(method)]));
  server.addService(definition as ServiceDefinition, Object.fromEntries(calls));
}

function definitionOf(method: DescMethod): ServiceDefinition[string] {
  const encode =
    (schema: DescMethod['output']) =>
    (message: object): Buffer => {
      const bytes = toBinary(schema, create(schema, message as Message));
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    };
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: encode(method.input),
    requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
    responseSerialize: encode(method.output),
    responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
  };
}
