import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import { type Access, access } from '#gen/cqrs/v1/access_pb.js';

/** The access rule of an rpc, from its contract; undefined when it has none, or an empty one, and nobody may call it. */
export function accessRule(method: DescMethod): Access | undefined {
  if (!hasOption(method, access)) return undefined;
  const rule = getOption(method, access);
  const permits = rule.anonymous || rule.authenticated || rule.permission !== '' || rule.self !== '' || rule.owner !== '';
  return permits ? rule : undefined;
}
