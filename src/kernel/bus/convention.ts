import type { DescMethod, DescService } from '@bufbuild/protobuf';

/** A service named `CommandService` takes commands, one named `QueryService` answers queries. There is no third. */
export type MessageKind = 'command' | 'query';

export function messageKind(service: DescService): MessageKind | undefined {
  if (service.name === 'CommandService') return 'command';
  if (service.name === 'QueryService') return 'query';
  return undefined;
}

/** What a call is: streams have limits and lines of the log of their own. */
export type CallKind = MessageKind | 'stream';

/** Decided once for each rpc, when it is registered. Services of gRPC itself, such as health, count as queries. */
export function callKind({ parent, methodKind }: DescMethod): CallKind {
  return methodKind === 'unary' ? (messageKind(parent) ?? 'query') : 'stream';
}

/** `users.v1.CommandService/ChangeEmail`, as on the wire and in every log, metric and message. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Where the handler of an rpc lives, from the root of the project: src/modules/users/commands/change-email.ts. */
export function handlerPath(method: DescMethod): string {
  const module = method.parent.file.proto.package.split('.')[0];
  const folder = messageKind(method.parent) === 'command' ? 'commands' : 'queries';
  return `src/modules/${module}/${folder}/${kebabCase(method.name)}.ts`;
}

const kebabCase = (name: string): string => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase();
