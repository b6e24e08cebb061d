import { create } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type HandlerContext,
  type Interceptor,
  type Client as RpcClient,
} from '@connectrpc/connect';
import { ErrorInfoSchema, RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';

/** The services of users, called through interceptors, that answer as a test says. */
export interface ScriptedUsers {
  readonly commands: RpcClient<typeof CommandService>;
  readonly queries: RpcClient<typeof QueryService>;
  /** The headers of each request, in order. */
  readonly asked: readonly Headers[];
}

/** `answer` is told how many requests came, this one included. What it throws is answered; otherwise the answer is empty. */
export function scriptedUsers(
  interceptors: Interceptor[],
  answer: (count: number, context: HandlerContext) => void = () => {},
): ScriptedUsers {
  const asked: Headers[] = [];
  const handle = (_: unknown, context: HandlerContext): Record<string, never> => {
    asked.push(new Headers(context.requestHeader));
    answer(asked.length, context);
    return {};
  };
  const transport = createRouterTransport(
    ({ service }) => {
      service(CommandService, { changeName: handle, logIn: handle, createUser: handle });
      service(QueryService, { getUser: handle });
    },
    { transport: { interceptors } },
  );
  return { commands: createClient(CommandService, transport), queries: createClient(QueryService, transport), asked };
}

/** An error as the service sends it: with its reason, and when to come back. */
export function refusal(
  code: Code,
  { reason, metadata = {}, retryMs }: { reason: string; metadata?: Record<string, string>; retryMs?: number },
): ConnectError {
  const details: ConstructorParameters<typeof ConnectError>[3] = [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason, domain: 'users.v1', metadata }) },
  ];
  if (retryMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(retryMs / 1000)), nanos: (retryMs % 1000) * 1e6 };
    details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return new ConnectError(reason, code, undefined, details);
}

export const unavailable = (): ConnectError => refusal(Code.Unavailable, { reason: 'DATABASE_UNAVAILABLE' });
