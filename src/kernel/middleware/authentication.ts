import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import type { Authority } from '../auth/authority.ts';
import { TokenInvalid, TokenMissing } from '../auth/errors.ts';
import type { VerifiedToken } from '../auth/token-verifier.ts';
import { accessRule } from '../bus/access.ts';
import { type Answer, answerOf, type ConnectResponse, toResponse } from '../bus/answer.ts';
import { type Call, callOf, type Message } from '../bus/call.ts';
import { principalKey } from '../bus/context-keys.ts';
import { ANONYMOUS } from '../bus/principal.ts';
import { watchedStream } from './watched-stream.ts';

/**
 * Finds out who calls, from `authorization: Bearer <token>` (RFC 6750), and sets `principalKey`.
 *
 * A principal that an in-process caller set beforehand stays. Where an anonymous caller is allowed, a missing or bad token makes
 * one; elsewhere the call fails with TokenMissing, TokenInvalid, IssuerUnavailable or, where the database has to be asked,
 * DatabaseUnavailable.
 *
 * A stream ends when its token stops counting, whether it is sending something or waits: it is canceled with TokenInvalid.
 */
export function authentication(authority: Authority): Interceptor {
  const anonymousAllowed = new Map<DescMethod, boolean>();

  function allowsAnonymous(method: DescMethod): boolean {
    let allowed = anonymousAllowed.get(method);
    if (allowed === undefined) {
      allowed = accessRule(method)?.anonymous ?? false;
      anonymousAllowed.set(method, allowed);
    }
    return allowed;
  }

  /** At once for a token that was admitted before: that is nearly every call. */
  function identify(call: Call): VerifiedToken | Promise<VerifiedToken> {
    const header = call.headerValue('authorization');
    if (header === undefined) throw new TokenMissing();
    return authority.admit(bearerToken(header));
  }

  return (next) => async (request) => {
    const call = callOf(request);
    const values = call.contextValues;
    if (values.get(principalKey) !== undefined) return await next(request);
    let admitted: VerifiedToken | undefined;
    try {
      const identified = identify(call);
      admitted = identified instanceof Promise ? await identified : identified;
    } catch (error) {
      if (!allowsAnonymous(call.method)) throw error;
    }
    values.set(principalKey, admitted?.principal ?? ANONYMOUS);
    if (!call.stream || !admitted) return await next(request);
    const forget = authority.onEnd(admitted, (reason) => call.cancellation.cancel(reason));
    try {
      return withEnd(await next(request), forget);
    } catch (error) {
      forget();
      throw error;
    }
  };
}

function withEnd(response: ConnectResponse, onEnd: () => void): ConnectResponse {
  const answer = answerOf(response) as Answer<AsyncIterable<Message>>;
  return toResponse(answer.withMessage(watchedStream(answer.message, onEnd)));
}

/** The scheme is compared without regard to case (RFC 9110, 11.1). */
function bearerToken(header: string): string {
  if (header.slice(0, 7).toLowerCase() !== 'bearer ') throw new TokenInvalid('MALFORMED');
  return header.slice(7).trim();
}
