import { type DescEnumValue, getOption } from '@bufbuild/protobuf';
import type { Code } from '@connectrpc/connect';
import { type Detail, failure } from '#gen/cqrs/v1/errors_pb.js';

/** The reason of an error, as a contract states it: a value of the `enum Reason` of a package. */
export interface StatedReason<R extends number = number> {
  /** The value of the enum: by it the type check tells the reason from any other. */
  readonly value: R;
  /** `ErrorInfo.domain`: the package, e.g. `users.v1`. */
  readonly domain: string;
  /** `ErrorInfo.reason`: the name of the value without its prefix, e.g. `EMAIL_TAKEN`. */
  readonly reason: string;
  readonly code: Code;
  /** The keys that `ErrorInfo.metadata` can have. */
  readonly metadata: readonly string[];
  /** The details that the error can have beside `ErrorInfo` and `PreconditionFailure`. */
  readonly details: readonly Detail[];
}

const PREFIX = 'REASON_';

/** Reads a reason from its contract. Throws when the contract does not say how a call fails for it. */
export function statedReason<R extends number>(desc: DescEnumValue, value: R): StatedReason<R> {
  const { file, typeName } = desc.parent;
  const name = `${desc.name} of ${typeName} (${file.name}.proto)`;
  if (!desc.name.startsWith(PREFIX)) throw new TypeError(`${name} is no reason: its name does not begin with ${PREFIX}`);
  const { code, metadata, details } = getOption(desc, failure);
  if (!code) throw new TypeError(`${name} has no code: give it the option (cqrs.v1.failure)`);
  const reason = desc.name.slice(PREFIX.length);
  // The contract has the numbers of gRPC, and so has Connect.
  return { value, domain: file.proto.package, reason, code: code as number as Code, metadata, details };
}
