import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import type { Access } from '#gen/cqrs/v1/access_pb.js';
import { PermissionMissing, TokenMissing } from '../auth/errors.ts';
import { accessRule } from '../bus/access.ts';
import { type Call, callOf } from '../bus/call.ts';
import { principalOf } from '../bus/context-keys.ts';

/**
 * Lets a call pass when any condition of its rpc's access rule holds, else it fails with PermissionMissing before anything is
 * looked up: whether the thing asked for exists stays unknown. An rpc without a rule is closed to everyone.
 */
export function authorization(): Interceptor {
  const guards = new Map<DescMethod, Guard>();

  function guardOf(method: DescMethod): Guard {
    let guard = guards.get(method);
    if (!guard) {
      guard = guardFor(method);
      guards.set(method, guard);
    }
    return guard;
  }

  return (next) => (request) => {
    const call = callOf(request);
    const refusal = guardOf(call.method)(call);
    return refusal ? Promise.reject(refusal) : next(request);
  };
}

/** Answers why a call may not pass. */
type Guard = (call: Call) => Error | undefined;

function guardFor(method: DescMethod): Guard {
  const rule = accessRule(method);
  if (!rule) return () => new PermissionMissing(undefined);
  if (rule.anonymous) return () => undefined;

  const { permission, authenticated } = rule;
  const ownId = idField(method, rule);
  return (call) => {
    const { id, permissions } = principalOf(call);
    if (id === '') return new TokenMissing();
    if (authenticated || (permission !== '' && permissions.has(permission))) return undefined;
    if (ownId !== undefined && sameId((call.request as Record<string, unknown>)[ownId], id)) return undefined;
    return new PermissionMissing(rule);
  };
}

/** Where the request holds the id that has to be the caller's own, by its name in generated code. */
const idField = (method: DescMethod, { self }: Access): string | undefined =>
  self === '' ? undefined : method.input.fields.find((field) => field.name === self)?.localName;

/** UUIDs are the same in either case (RFC 9562, 4). */
const sameId = (value: unknown, id: string): boolean =>
  value === id || (typeof value === 'string' && value.toLowerCase() === id.toLowerCase());
