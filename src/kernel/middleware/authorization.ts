import type { DescMethod } from '@bufbuild/protobuf';
import type { Access } from '#gen/cqrs/v1/access_pb.js';
import { PermissionMissing, TokenMissing } from '../auth/errors.ts';
import { accessRule } from '../bus/access.ts';
import type { Call } from '../bus/call.ts';
import { principalOf } from '../bus/context-keys.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';

const NEEDS: readonly Need[] = [
  { name: 'authentication', because: 'what somebody may do is decided by who they are' },
  { name: 'validation', because: 'a rule can name a field of the request, which has to be in its form' },
];

/**
 * Lets a call pass when any condition of its rpc's access rule holds, else it fails with PermissionMissing before anything is
 * looked up: whether the thing asked for exists stays unknown. An rpc without a rule is closed to everyone.
 */
export function authorization(): Middleware {
  return busMiddleware(
    'authorization',
    (method) => {
      const guard = guardFor(method);
      return guard && guarded(guard);
    },
    NEEDS,
  );
}

const guarded =
  (guard: Guard): Around =>
  (next) =>
  (call) => {
    const refusal = guard(call);
    return refusal ? Promise.reject(refusal) : next(call);
  };

/** Answers why a call may not pass. */
type Guard = (call: Call) => Error | undefined;

/** Undefined for an rpc that anybody may call. */
function guardFor(method: DescMethod): Guard | undefined {
  const rule = accessRule(method);
  if (!rule) return () => new PermissionMissing(undefined);
  if (rule.anonymous) return undefined;

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
