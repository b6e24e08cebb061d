import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { TokenInvalid, TokenMissing } from '../auth/errors.ts';
import type { Revocations } from '../auth/revocations.ts';
import type { TokenVerifier, VerifiedToken } from '../auth/token-verifier.ts';
import { accessRule } from '../cqrs/access.ts';
import { type Call, callOf } from '../cqrs/call.ts';
import { principalKey } from '../cqrs/context-keys.ts';
import { ANONYMOUS, type Principal } from '../cqrs/principal.ts';

/**
 * Finds out who calls, from `authorization: Bearer <token>` (RFC 6750), and sets `principalKey`.
 *
 * A principal that an in-process caller set beforehand stays. Where an anonymous caller is allowed, a missing or bad token makes
 * one; elsewhere the call fails with TokenMissing, TokenInvalid or IssuerUnavailable.
 */
export function authentication(tokens: TokenVerifier, revocations: Revocations): Interceptor {
  const anonymousAllowed = new Map<DescMethod, boolean>();

  function allowsAnonymous(method: DescMethod): boolean {
    let allowed = anonymousAllowed.get(method);
    if (allowed === undefined) {
      allowed = accessRule(method)?.anonymous ?? false;
      anonymousAllowed.set(method, allowed);
    }
    return allowed;
  }

  function admit({ principal, epoch }: VerifiedToken): Principal {
    const revoked = epoch !== undefined && revocations.isRevoked(principal.id, epoch, principal.session);
    if (revoked) throw new TokenInvalid('REVOKED');
    return principal;
  }

  /** At once for a token that was verified before: that is nearly every call. */
  function identify(call: Call): Principal | Promise<Principal> {
    const header = call.headerValue('authorization');
    if (header === undefined) throw new TokenMissing();
    const verified = tokens.verify(bearerToken(header));
    return verified instanceof Promise ? verified.then(admit) : admit(verified);
  }

  return (next) => async (request) => {
    const call = callOf(request);
    const values = call.contextValues;
    if (values.get(principalKey) !== undefined) return await next(request);
    try {
      const identified = identify(call);
      values.set(principalKey, identified instanceof Promise ? await identified : identified);
    } catch (error) {
      if (!allowsAnonymous(call.method)) throw error;
      values.set(principalKey, ANONYMOUS);
    }
    return await next(request);
  };
}

/** The scheme is compared without regard to case (RFC 9110, 11.1). */
function bearerToken(header: string): string {
  if (header.slice(0, 7).toLowerCase() !== 'bearer ') throw new TokenInvalid('MALFORMED');
  return header.slice(7).trim();
}
