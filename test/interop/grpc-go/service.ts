import type { DescMethodServerStreaming, DescMethodUnary, FileRegistry, Message } from '@bufbuild/protobuf';
import { type Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { ok } from 'neverthrow';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { type Bus, createBus } from '../../../src/kernel/bus/bus.ts';
import { type CommandContext, command } from '../../../src/kernel/bus/command.ts';
import { middleware } from '../../../src/kernel/bus/middleware.ts';
import { busModule } from '../../../src/kernel/bus/module.ts';
import { ANONYMOUS } from '../../../src/kernel/bus/principal.ts';
import { type QueryContext, streamQuery } from '../../../src/kernel/bus/query.ts';
import { deadline } from '../../../src/kernel/middleware/deadline.ts';
import { errors, type UnexpectedErrors } from '../../../src/kernel/middleware/errors.ts';
import { foreignService } from '../foreign-service.ts';

const PACKAGE = 'grpc.testing';
/** What a caller sends to have it sent back, among the headers and among the trailers. */
const ECHOED_HEADER = 'x-grpc-test-echo-initial';
const ECHOED_TRAILER = 'x-grpc-test-echo-trailing-bin';

/** The fields of grpc-go's messages that are read here; their contract is known only when the tests run. */
interface UnaryRequest {
  readonly responseSize: number;
  readonly fillServerId: boolean;
  readonly responseStatus?: { readonly code: Code; readonly message: string };
}
interface StreamRequest {
  readonly responseParameters: readonly { readonly size: number; readonly intervalUs: number }[];
}

/** grpc.testing.TestService (doc/interop-test-descriptions.md of grpc), as far as it does not take a stream of requests. */
export function interopBus(contracts: FileRegistry, unexpected: UnexpectedErrors): Bus {
  const contract = contracts.getService(`${PACKAGE}.TestService`);
  if (!contract) throw new Error('there is no TestService');
  const commands = foreignService(contract, { as: 'CommandService', methods: ['EmptyCall', 'UnaryCall'] });
  const queries = foreignService(contract, { as: 'QueryService', methods: ['StreamingOutputCall'] });

  const unary = async (request: Message) => {
    const { responseStatus, responseSize, fillServerId } = request as Message & UnaryRequest;
    if (responseStatus) {
      const info = { desc: ErrorInfoSchema, value: { reason: 'ASKED_FOR', domain: PACKAGE } };
      throw new ConnectError(responseStatus.message, responseStatus.code, undefined, [info]);
    }
    return ok({ payload: { body: new Uint8Array(responseSize) }, serverId: fillServerId ? 'the only one' : '' });
  };
  const stream = async function* (request: Message) {
    for (const { size } of (request as Message & StreamRequest).responseParameters)
      yield { payload: { body: new Uint8Array(size) } };
  };

  const module = busModule<CommandContext, QueryContext>({
    name: 'interop',
    services: [
      {
        service: commands.service,
        handlers: {
          emptyCall: command(commands.method('EmptyCall') as DescMethodUnary, async () => ok({})),
          unaryCall: command(commands.method('UnaryCall') as DescMethodUnary, unary),
        },
      },
      {
        service: queries.service,
        handlers: {
          streamingOutputCall: streamQuery(queries.method('StreamingOutputCall') as DescMethodServerStreaming, stream),
        },
      },
    ],
    commandContext: (call) => ({ principal: ANONYMOUS, now: call.receivedAt, newId: call.newId, signal: call.signal }),
    queryContext: (call) => ({ principal: ANONYMOUS, signal: call.signal }),
  });
  const echo = middleware('metadata', () => echoMetadata, { after: 'deadline' });
  const pipeline = [errors(unexpected), deadline({ maxUnaryMs: 30_000 }), echo];
  return createBus([module], { command: pipeline, query: pipeline });
}

const echoMetadata: Interceptor = (next) => async (request) => {
  const response = await next(request);
  const initial = request.header.get(ECHOED_HEADER);
  const trailing = request.header.get(ECHOED_TRAILER);
  if (initial !== null) response.header.set(ECHOED_HEADER, initial);
  if (trailing !== null) response.trailer.set(ECHOED_TRAILER, trailing);
  return response;
};
