import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { methodName } from '../bus/convention.ts';
import { guessLimitOf } from '../bus/limits.ts';
import { codeName } from '../telemetry/code-name.ts';
import { commentOf } from './comments.ts';
import type { ErrorReason } from './errors.ts';
import { reasonsIn } from './named-reasons.ts';

const CODES: ReadonlySet<string> = new Set(
  Object.values(Code)
    .filter((code) => typeof code === 'number')
    .map(codeName),
);

/** Where the comment of an rpc stops telling what it does and lists its reasons. */
const LIST = /(?:^|\n)Reasons: /;

/** What an rpc does, from its comment, without the reasons. */
export const purposeOf = (method: DescMethod): string => (commentOf(method).split(LIST)[0] ?? '').trim();

/** The reasons that only some rpcs have, from the comment of this one. */
export function ownReasons(method: DescMethod, errors: readonly ErrorReason[]): readonly ErrorReason[] {
  return known(commentOf(method).split(LIST)[1] ?? '', method.parent, errors);
}

/** The reasons that every rpc of the service can have, from the comment of the service. */
export function commonReasons(service: DescService, errors: readonly ErrorReason[]): readonly ErrorReason[] {
  return known(commentOf(service), service, errors);
}

/** `reasonProblems` sees to it that the comments name no reason that does not exist. */
function known(comment: string, service: DescService, errors: readonly ErrorReason[]): readonly ErrorReason[] {
  const names = [...new Set(reasonsIn(comment, CODES).map(({ reason }) => reason))];
  return names.flatMap((name) => reasonNamed(name, service, errors) ?? []);
}

/** A reason of the package of a service, or else of the bus. */
function reasonNamed(name: string, service: DescService, errors: readonly ErrorReason[]): ErrorReason | undefined {
  const domains = [service.file.proto.package, 'cqrs.v1'];
  const found = domains.map((domain) => errors.find((error) => error.domain === domain && error.reason === name));
  return found.find((error) => error !== undefined);
}

/** What is wrong with the reasons of the contracts and with what rpcs say of them, in words for the author of a contract. */
export function reasonProblems(services: readonly DescService[], errors: readonly ErrorReason[]): readonly string[] {
  return [
    ...errors.flatMap(({ domain, reason, meaning }) =>
      meaning === '' ? [`${domain}.Reason: REASON_${reason} has no comment that tells callers what to do`] : [],
    ),
    ...services.flatMap(({ methods }) => methods).flatMap((method) => rpcProblems(method, errors)),
  ];
}

function rpcProblems(method: DescMethod, errors: readonly ErrorReason[]): readonly string[] {
  const name = methodName(method);
  const enums = `enum Reason of ${method.parent.file.proto.package} and of cqrs.v1`;
  const listed = reasonsIn(commentOf(method).split(LIST)[1] ?? '', CODES);
  return [
    ...listed.flatMap(({ reason, code }) => {
      const stated = reasonNamed(reason, method.parent, errors);
      if (!stated) return [`${name}: its comment lists the reason ${reason}, which is missing in ${enums}`];
      if (stated.code === code) return [];
      return [`${name}: its comment lists the reason ${reason} with ${code ?? 'no code'}; the code is ${stated.code}`];
    }),
    ...(guessLimitOf(method)?.reasons ?? []).flatMap((reason) =>
      reasonNamed(reason, method.parent, errors)
        ? []
        : [`${name}: its guess limit names ${reason}, which is missing in ${enums}`],
    ),
  ];
}
