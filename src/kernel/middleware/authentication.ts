import type { Authority } from '../auth/authority.ts';
import { TokenInvalid, TokenMissing } from '../auth/errors.ts';
import type { VerifiedToken } from '../auth/token-verifier.ts';
import { accessRule } from '../bus/access.ts';
import type { Answer } from '../bus/answer.ts';
import type { Call } from '../bus/call.ts';
import { principalKey } from '../bus/context-keys.ts';
import { type Around, busMiddleware, type Middleware, type Need, type Next } from '../bus/middleware.ts';
import { ANONYMOUS } from '../bus/principal.ts';
import { watchedAnswer } from '../bus/watched-stream.ts';

const NEEDS: readonly Need[] = [
  { name: 'errors', because: 'a call with an invalid token gets a typed error' },
  { name: 'deadline', because: 'a look-up of the token must not outlast the call' },
  { name: 'recording', because: 'a refused command is recorded', of: 'command' },
];

/**
 * Finds out who calls, from `authorization: Bearer <token>` (RFC 6750), and sets `principalKey`.
 *
 * A principal that an in-process caller set beforehand stays. Where an anonymous caller is allowed, a missing or bad token makes
 * one; elsewhere the call fails with TokenMissing, TokenInvalid, IssuerUnavailable or, where the database has to be asked,
 * DatabaseUnavailable.
 *
 * A stream ends when its token stops counting, whether it is sending something or waits: it is canceled with TokenInvalid.
 */
export function authentication(authority: Authority): Middleware {
  const streams = endingWithToken(authority);
  return busMiddleware(
    'authentication',
    (method, kind) => {
      const isOptional = accessRule(method)?.anonymous ?? false;
      const identified: Around = (next) => async (call) => {
        const values = call.contextValues;
        if (values.get(principalKey) !== undefined) return await next(call);
        let admitted: VerifiedToken | undefined;
        try {
          const identity = identify(call, authority);
          admitted = identity instanceof Promise ? await identity : identity;
        } catch (error) {
          if (!isOptional) throw error;
        }
        values.set(principalKey, admitted?.principal ?? ANONYMOUS);
        return await (kind === 'stream' && admitted ? streams(next, call, admitted) : next(call));
      };
      return identified;
    },
    NEEDS,
  );
}

/** At once for a token that was admitted before: that is nearly every call. */
function identify(call: Call, authority: Authority): VerifiedToken | Promise<VerifiedToken> {
  const header = call.headerValue('authorization');
  if (header === undefined) throw new TokenMissing();
  return authority.admit(bearerToken(header));
}

function endingWithToken(authority: Authority) {
  return async (next: Next, call: Call, admitted: VerifiedToken): Promise<Answer> => {
    const forget = authority.onEnd(admitted, (reason) => call.cancellation.cancel(reason));
    try {
      return watchedAnswer(await next(call), forget);
    } catch (error) {
      forget();
      throw error;
    }
  };
}

/** The scheme is compared without regard to case (RFC 9110, 11.1). */
function bearerToken(header: string): string {
  if (header.slice(0, 7).toLowerCase() !== 'bearer ') throw new TokenInvalid('MALFORMED');
  return header.slice(7).trim();
}
