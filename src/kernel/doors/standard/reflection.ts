import type { DescFile, DescService, MessageInitShape } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { Code } from '@connectrpc/connect';
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from '#gen/grpc/reflection/v1/reflection_pb.js';
import { ServerReflection as ServerReflectionAlpha } from '#gen/grpc/reflection/v1alpha/reflection_pb.js';
import type { Rpc } from '../../bus/bus.ts';
import type { Call } from '../../bus/call.ts';
import type { Middleware } from '../../bus/middleware.ts';
import { type ContractFile, contractFiles } from './contract-files.ts';
import { streamRpc } from './standard-rpc.ts';

type MessageResponse = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

/** What reflection tells of. */
interface Described {
  readonly services: readonly DescService[];
  /** Files beside those of the services. */
  readonly others?: readonly DescFile[] | undefined;
}

/**
 * gRPC reflection, v1 and v1alpha, which have the same messages: what is served, and the contracts with every option in them.
 *
 * The next request of a stream is read when the answer to the last one has been taken, and a file goes once over a stream, unless it
 * is asked for again by itself.
 */
export function reflectionRpcs(described: Described, middleware: readonly Middleware[]): readonly Rpc[] {
  let contracts: Contracts | undefined;
  const reflect = (call: Call) => {
    contracts ??= new Contracts(described);
    return answers(contracts, call);
  };
  return [ServerReflection, ServerReflectionAlpha].map((version) =>
    streamRpc(version.method.serverReflectionInfo as typeof ServerReflection.method.serverReflectionInfo, middleware, reflect),
  );
}

async function* answers(
  contracts: Contracts,
  call: Call,
): AsyncGenerator<MessageInitShape<typeof ServerReflectionResponseSchema>> {
  const sent = new Set<string>();
  for await (const request of (call.requests ?? []) as AsyncIterable<ServerReflectionRequest>) {
    const { host, messageRequest } = request;
    yield { validHost: host, originalRequest: request, messageResponse: contracts.answer(messageRequest, sent) };
  }
}

/** Answers the questions of reflection from an index of all names. */
class Contracts {
  readonly #services: readonly string[];
  readonly #files: ReadonlyMap<string, ContractFile>;
  readonly #bySymbol = new Map<string, DescFile>();
  /** By the extended message, then by number. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();

  constructor({ services, others = [] }: Described) {
    this.#services = services.map(({ typeName }) => typeName);
    this.#files = contractFiles([...services.map(({ file }) => file), ...others]);
    for (const { file } of this.#files.values()) this.#index(file);
  }

  answer({ case: question, value }: ServerReflectionRequest['messageRequest'], sent: Set<string>): MessageResponse {
    switch (question) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: this.#services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return this.#withImports(this.#files.get(value)?.file, sent);
      case 'fileContainingSymbol':
        return this.#withImports(this.#bySymbol.get(value.replace(/^\./, '')), sent);
      case 'fileContainingExtension':
        return this.#withImports(this.#extensions.get(value.containingType)?.get(value.extensionNumber), sent);
      case 'allExtensionNumbersOfType': {
        const extensionNumber = [...(this.#extensions.get(value)?.keys() ?? [])];
        if (extensionNumber.length === 0) return refused(Code.NotFound, 'no extension of this type is known');
        return { case: 'allExtensionNumbersResponse', value: { baseTypeName: value, extensionNumber } };
      }
      default:
        return refused(Code.InvalidArgument, 'the request asks nothing that is known');
    }
  }

  #withImports(file: DescFile | undefined, sent: Set<string>): MessageResponse {
    if (!file) return refused(Code.NotFound, 'no file has it');
    sent.delete(file.proto.name);
    const fileDescriptorProto: Uint8Array[] = [];
    const send = (one: DescFile): void => {
      const { name } = one.proto;
      if (sent.has(name)) return;
      sent.add(name);
      fileDescriptorProto.push(this.#files.get(name)?.bytes ?? new Uint8Array());
      one.dependencies.forEach(send);
    };
    send(file);
    return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
  }

  #index(file: DescFile): void {
    const add = (name: string): unknown => this.#bySymbol.set(name, file);
    for (const type of nestedTypes(file)) {
      add(type.typeName);
      switch (type.kind) {
        case 'message':
          for (const member of [...type.fields, ...type.oneofs]) add(`${type.typeName}.${member.name}`);
          break;
        case 'service':
          for (const { name } of type.methods) add(`${type.typeName}.${name}`);
          break;
        case 'enum':
          // Values are names beside their enum, as in C++.
          for (const { name } of type.values) add(`${scopeOf(type.typeName)}${name}`);
          break;
        case 'extension': {
          const extendee = type.extendee.typeName;
          const numbers = this.#extensions.get(extendee) ?? new Map<number, DescFile>();
          this.#extensions.set(extendee, numbers.set(type.number, file));
        }
      }
    }
  }
}

const scopeOf = (typeName: string): string => typeName.slice(0, typeName.lastIndexOf('.') + 1);

function refused(errorCode: Code, errorMessage: string): MessageResponse {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}
