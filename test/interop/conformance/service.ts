import { setTimeout as sleep } from 'node:timers/promises';
import {
  create,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type FileRegistry,
  fromBinary,
  type Message,
} from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { type Code, ConnectError } from '@connectrpc/connect';
import { ok } from 'neverthrow';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { type Bus, createBus } from '../../../src/kernel/bus/bus.ts';
import type { Call } from '../../../src/kernel/bus/call.ts';
import { type CommandContext, command } from '../../../src/kernel/bus/command.ts';
import { type Around, busMiddleware } from '../../../src/kernel/bus/middleware.ts';
import { busModule } from '../../../src/kernel/bus/module.ts';
import { ANONYMOUS } from '../../../src/kernel/bus/principal.ts';
import { type QueryContext, query, streamQuery } from '../../../src/kernel/bus/query.ts';
import { deadline } from '../../../src/kernel/middleware/deadline.ts';
import { errors, type UnexpectedErrors } from '../../../src/kernel/middleware/errors.ts';
import { foreignService } from '../foreign-service.ts';

export const PACKAGE = 'connectrpc.conformance.v1';

/** The fields of the suite's messages that are read here; their contract is known only when the program runs. */
interface Definition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
}
interface Header {
  readonly name: string;
  readonly value: readonly string[];
}
interface UnaryDefinition extends Definition {
  readonly response:
    | { readonly case: 'responseData'; readonly value: Uint8Array }
    | { readonly case: 'error'; readonly value: SuiteError };
}
interface StreamDefinition extends Definition {
  readonly responseData: readonly Uint8Array[];
  readonly error?: SuiteError;
}
interface SuiteError {
  readonly code: Code;
  readonly message?: string;
  readonly details: readonly Any[];
}
interface Inside {
  readonly call: Call;
}

/**
 * The service of the suite on the kernel's own bus: each request says what its answer is to be.
 *
 * An error of a handler has to carry an ErrorInfo, which the suite does not ask for. It comes last, so that all the suite has to say
 * of such an error is that it has one detail more.
 */
export function conformanceBus(contracts: FileRegistry, unexpected: UnexpectedErrors): Bus {
  const contract = contracts.getService(`${PACKAGE}.ConformanceService`);
  if (!contract) throw new Error('the suite has no ConformanceService');
  const commands = foreignService(contract, { as: 'CommandService', methods: ['Unary'] });
  const queries = foreignService(contract, { as: 'QueryService', methods: ['IdempotentUnary', 'ServerStream'] });

  const requestInfo = contracts.getMessage(`${PACKAGE}.ConformancePayload.RequestInfo`);
  if (!requestInfo) throw new Error('the suite has no RequestInfo');
  const describe = ({ method, request, header, origin }: Call): Message => {
    const { deadline: until } = origin;
    const timeout = until === undefined ? {} : { timeoutMs: BigInt(Math.max(0, Math.floor(until - Date.now()))) };
    const requestHeaders = [...header].map(([name, value]) => ({ name, value: [value] }));
    return create(requestInfo, { requestHeaders, requests: [anyPack(method.input, request)], ...timeout } as Record<
      string,
      unknown
    >);
  };

  const failure = ({ code, message, details }: SuiteError, info?: Message): ConnectError => {
    const unpacked = details.map(({ typeUrl, value }) => {
      const desc = contracts.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
      if (!desc) throw new Error(`the suite has no ${typeUrl}`);
      return { desc, value: fromBinary(desc, value) };
    });
    if (info) unpacked.push({ desc: requestInfo, value: info });
    const own = { desc: ErrorInfoSchema, value: { reason: 'ASKED_FOR', domain: PACKAGE } };
    return new ConnectError(message ?? '', code, undefined, [...unpacked, own]);
  };

  const unary = async (request: Message, { call }: QueryContext & Inside) => {
    const info = describe(call);
    const definition = definitionIn<UnaryDefinition>(request);
    if (definition?.responseDelayMs) await sleep(definition.responseDelayMs);
    if (definition?.response.case !== 'error') return ok({ payload: { requestInfo: info, data: definition?.response.value } });
    const error = failure(definition.response.value, info);
    for (const header of [...definition.responseHeaders, ...definition.responseTrailers]) append(error.metadata, header);
    throw error;
  };

  const stream = async function* (request: Message, { call }: QueryContext & Inside) {
    const info = describe(call);
    const {
      responseData = [],
      responseDelayMs = 0,
      responseTrailers = [],
      error,
    } = definitionIn<StreamDefinition>(request) ?? {};
    for (const [index, data] of responseData.entries()) {
      await sleep(responseDelayMs);
      yield { payload: index === 0 ? { requestInfo: info, data } : { data } };
    }
    if (!error) return;
    const typed = failure(error, responseData.length === 0 ? info : undefined);
    for (const header of responseTrailers) append(typed.metadata, header);
    throw typed;
  };

  const unaryCommand = commands.method('Unary') as DescMethodUnary;
  const unaryQuery = queries.method('IdempotentUnary') as DescMethodUnary;
  const streamed = queries.method('ServerStream') as DescMethodServerStreaming;
  const module = busModule<CommandContext & Inside, QueryContext & Inside>({
    name: 'conformance',
    services: [
      { service: commands.service, handlers: { unary: command<DescMethodUnary, CommandContext & Inside>(unaryCommand, unary) } },
      {
        service: queries.service,
        handlers: { idempotentUnary: query(unaryQuery, unary), serverStream: streamQuery(streamed, stream) },
      },
    ],
    commandContext: (call) => ({ call, principal: ANONYMOUS, now: call.receivedAt, newId: call.newId, signal: call.signal }),
    queryContext: (call) => ({ call, principal: ANONYMOUS, signal: call.signal }),
  });
  const pipeline = [errors(unexpected), deadline({ maxUnaryMs: 30_000 }), busMiddleware('metadata', () => answerMetadata)];
  return createBus([module], { command: pipeline, query: pipeline });
}

/** The headers and trailers that the request asks for. */
const answerMetadata: Around = (next) => async (call) => {
  const definition = definitionIn<Definition>(call.request);
  const answer = await next(call);
  for (const header of definition?.responseHeaders ?? []) append(answer.header, header);
  for (const header of definition?.responseTrailers ?? []) append(answer.trailer, header);
  return answer;
};

function definitionIn<D extends Definition>(request: Message): D | undefined {
  return (request as Message & { responseDefinition?: D }).responseDefinition;
}

function append(headers: Headers, { name, value }: Header): void {
  for (const one of value) headers.append(name, one);
}
