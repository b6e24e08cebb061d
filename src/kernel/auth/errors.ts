import { BusError } from '../bus/errors.ts';

/** The rpc is not for anonymous callers, and the call carries no token: log in and send it as `authorization: Bearer <token>`. */
export class TokenMissing extends BusError {
  readonly reason = 'TOKEN_MISSING';
  readonly kind = 'unauthenticated';
  constructor() {
    super('this call needs a token: send `authorization: Bearer <access token>`');
  }
}

/**
 * Why a token is refused: it is no token at all, its time is over, its session was ended, the account that it names is suspended or
 * deleted, or nobody this service trusts made it for this service.
 */
export type TokenProblem = 'MALFORMED' | 'EXPIRED' | 'REVOKED' | 'SUSPENDED' | 'UNTRUSTED';

const explanations: Readonly<Record<TokenProblem, string>> = {
  MALFORMED: 'the token is not a JWT',
  EXPIRED: 'the token has expired; log in again',
  REVOKED: 'the session of the token has ended; log in again',
  SUSPENDED: 'the account that the token names is suspended or deleted',
  UNTRUSTED: 'the token was not made for this service by an issuer it trusts',
};

/**
 * The token is refused, or a stream ends because its token no longer counts. `cause` says why: `MALFORMED` (no JWT), `EXPIRED` or
 * `REVOKED` (refresh the session or log in again), `SUSPENDED` (the account that a token of another issuer names is suspended or deleted
 * here), `UNTRUSTED` (not made for this service, or by nobody it trusts).
 */
export class TokenInvalid extends BusError {
  readonly reason = 'TOKEN_INVALID';
  readonly kind = 'unauthenticated';
  override readonly metadata: { readonly cause: TokenProblem };
  constructor(problem: TokenProblem) {
    super(explanations[problem]);
    this.metadata = { cause: problem };
  }
}

/** The keys of the foreign issuer that made the token cannot be had, so it is neither good nor bad: send it again after the delay. */
export class IssuerUnavailable extends BusError {
  readonly reason = 'ISSUER_UNAVAILABLE';
  readonly kind = 'unavailable';
  override readonly retryAfterMs = 1000;
  constructor(cause?: unknown) {
    super("the keys of the token's issuer are not available", { cause });
  }
}

/**
 * The caller is known and may not do this. The metadata names what would have sufficed: the `permission`, or the field of the request
 * (`self`) that would have to hold the caller's own id.
 */
export class PermissionMissing extends BusError {
  readonly reason = 'PERMISSION_MISSING';
  readonly kind = 'denied';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(rule: { readonly permission: string; readonly self: string } | undefined) {
    const { permission = '', self = '' } = rule ?? {};
    super(permission ? `this needs the permission ${permission}` : 'this is allowed for nobody but the user it concerns');
    this.metadata = { ...(permission && { permission }), ...(self && { self }) };
  }
}
