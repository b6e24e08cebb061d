import { create, type DescMethodUnary, type MessageInitShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import { type BodyTemplate, grpcFrame, type Requests } from './load/bodies.ts';

/** What h2load needs to know to call a method over gRPC. */
export interface GrpcCalls {
  readonly path: string;
  readonly headers: readonly string[];
  readonly requests: Requests;
}

/** Calls of one method over gRPC, all with the same request. */
export function sameGrpcCall<M extends DescMethodUnary>(
  method: M,
  { request, authorization }: { request: MessageInitShape<M['input']>; authorization: string },
): GrpcCalls {
  return {
    path: pathOf(method),
    headers: grpcHeaders(authorization),
    requests: { kind: 'fixed', body: grpcFrame(toBinary(method.input, create(method.input, request))) },
  };
}

export interface ChangingCall<M extends DescMethodUnary> {
  /** The request for a user's number and a serial number, both in digits. */
  readonly request: (user: string, serial: string) => MessageInitShape<M['input']>;
  readonly users: number;
  readonly authorization: string;
}

/** Calls of one method over gRPC, spread over users. */
export function grpcCalls<M extends DescMethodUnary>(method: M, { request, users, authorization }: ChangingCall<M>): GrpcCalls {
  const template: BodyTemplate = (user, serial) => grpcFrame(toBinary(method.input, create(method.input, request(user, serial))));
  return { path: pathOf(method), headers: grpcHeaders(authorization), requests: { kind: 'changing', template, users } };
}

/** Calls of one method as Connect JSON, spread over users. */
export function connectJsonCalls<M extends DescMethodUnary>(
  method: M,
  { request, users, authorization }: ChangingCall<M>,
): GrpcCalls {
  const template: BodyTemplate = (user, serial) =>
    Buffer.from(toJsonString(method.input, create(method.input, request(user, serial))));
  return {
    path: pathOf(method),
    headers: ['content-type: application/json', 'connect-protocol-version: 1', `authorization: ${authorization}`],
    requests: { kind: 'changing', template, users },
  };
}

/** The path and query of a call by GET (Connect protocol, "Unary-Get-Request"). */
export function connectGetPath<M extends DescMethodUnary>(method: M, request: MessageInitShape<M['input']>): string {
  const message = toJsonString(method.input, create(method.input, request));
  return `${pathOf(method)}?${new URLSearchParams({ connect: 'v1', encoding: 'json', message })}`;
}

export function pathOf(method: DescMethodUnary): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function grpcHeaders(authorization: string): string[] {
  return ['content-type: application/grpc', 'te: trailers', `authorization: ${authorization}`];
}
