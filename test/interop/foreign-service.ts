import { create, type DescMethod, type DescService, setExtension } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel, MethodOptionsSchema } from '@bufbuild/protobuf/wkt';
import { AccessSchema, access } from '#gen/cqrs/v1/access_pb.js';

/** Some rpcs of a service that knows nothing of the bus, in the form that the bus asks for. */
export interface ForeignService {
  readonly service: DescService;
  /** Throws for an rpc that was not asked for. */
  readonly method: (name: string) => DescMethod;
}

/**
 * Makes rpcs of a foreign contract commands or queries: they get the name of the service, the access rule and the idempotency that the
 * bus requires. On the wire they keep their own names.
 */
export function foreignService(
  contract: DescService,
  { as, methods }: { as: 'CommandService' | 'QueryService'; methods: readonly string[] },
): ForeignService {
  const service: DescService = { ...contract, name: as, methods: [], method: {} };
  const options = create(MethodOptionsSchema);
  setExtension(options, access, create(AccessSchema, { anonymous: true }));
  const idempotency = as === 'QueryService' ? MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS : undefined;
  for (const method of contract.methods) {
    if (!methods.includes(method.name)) continue;
    const proto = { ...method.proto, options };
    const copy = { ...method, parent: service, proto, idempotency: idempotency ?? method.idempotency } as DescMethod;
    service.methods.push(copy);
    service.method[method.localName] = copy;
  }
  return {
    service,
    method(name) {
      const found = service.methods.find((method) => method.name === name);
      if (!found) throw new Error(`${contract.typeName} has no rpc ${name}`);
      return found;
    },
  };
}
