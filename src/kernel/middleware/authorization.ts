import type { DescMethod } from '@bufbuild/protobuf';
import type { Access } from '#gen/cqrs/v1/access_pb.js';
import { PermissionMissing, TokenMissing } from '../auth/errors.ts';
import { accessRule } from '../bus/access.ts';
import type { Call } from '../bus/call.ts';
import { principalOf } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';

const NEEDS: readonly Need[] = [
  { name: 'authentication', because: 'the permissions of a caller follow from who they are' },
  { name: 'validation', because: 'a rule can name a field of the request, which must have its form' },
];

/**
 * Lets a call pass when any condition of its rpc's access rule holds, else it fails with PermissionMissing. Before anything is
 * looked up, but for whose it is that a rule of the kind `owner` names: whether the thing asked for exists stays unknown. An rpc without a rule is closed to everyone.
 */
export function authorization(owners: Owners = () => undefined): Middleware {
  return busMiddleware(
    'authorization',
    (method) => {
      const guard = guardFor(method);
      const owned = guard && ownedBy(method, owners);
      if (guard && owned) return guardedByOwner(guard, owned);
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

/** The caller passes by another condition, or has to own what the request names. */
const guardedByOwner =
  (guard: Guard, owns: (call: Call) => Promise<boolean>): Around =>
  (next) =>
  async (call) => {
    const refusal = guard(call);
    if (refusal && (principalOf(call).id === '' || !(await owns(call)))) throw refusal;
    return await next(call);
  };

/** Whose something is that a field of the rpc's request names, by the id of the user; undefined for what is nobody's. */
export type Owners = (method: DescMethod) => ((name: string, call: Call) => Promise<string | undefined>) | undefined;

function ownedBy(method: DescMethod, owners: Owners): ((call: Call) => Promise<boolean>) | undefined {
  const { owner = '' } = accessRule(method) ?? {};
  if (owner === '') return undefined;
  const field = fieldNamed(method, owner);
  const find = owners(method);
  if (field === undefined || !find)
    throw new Error(`${methodName(method)} is for the owner of \`${owner}\`, which no module tells`);
  return async (call) => {
    const owned = await find((call.request as Record<string, unknown>)[field] as string, call);
    return owned !== undefined && sameId(owned, principalOf(call).id);
  };
}

/** Returns why a call may not pass. */
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
const idField = (method: DescMethod, { self }: Access): string | undefined => fieldNamed(method, self);

const fieldNamed = (method: DescMethod, name: string): string | undefined =>
  name === '' ? undefined : method.input.fields.find((field) => field.name === name)?.localName;

/** UUIDs are the same in either case (RFC 9562, 4). */
const sameId = (value: unknown, id: string): boolean =>
  value === id || (typeof value === 'string' && value.toLowerCase() === id.toLowerCase());
