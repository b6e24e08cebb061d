import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
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

/** A test sees to it that the comments name no reason that does not exist. */
function known(comment: string, service: DescService, errors: readonly ErrorReason[]): readonly ErrorReason[] {
  const domains = [service.file.proto.package, 'cqrs.v1'];
  const names = [...new Set(reasonsIn(comment, CODES).map(({ reason }) => reason))];
  return names.flatMap((name) => {
    const found = domains.map((domain) => errors.find((error) => error.domain === domain && error.reason === name));
    return found.find((error) => error !== undefined) ?? [];
  });
}
