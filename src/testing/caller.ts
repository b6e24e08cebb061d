import { ANONYMOUS, type Principal } from '../kernel/bus/principal.ts';

/** Who calls: what a test says of them. Who is not said to have permissions has none; who has no id is nobody. */
export type Caller = Partial<Omit<Principal, 'permissions'>> & { readonly permissions?: Iterable<string> };

/**
 * Calls without a token.
 *
 * ```ts
 * await users.given().as(nobody).when(createUser, { email: 'ada@example.org' }).then({ type: 'UserCreated' });
 * ```
 */
export const nobody: Caller = {};

/** Holds every permission there is. */
class EveryPermission extends Set<string> {
  override has(): boolean {
    return true;
  }
}

const OPERATOR: Principal = { ...ANONYMOUS, id: 'operator', permissions: new EveryPermission() };

/** Without a caller an operator calls, who may do everything and owns nothing. */
export function principalBy(caller: Caller | undefined): Principal {
  if (!caller) return OPERATOR;
  return { ...ANONYMOUS, ...caller, permissions: new Set(caller.permissions ?? []) };
}
