import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { domainError } from '../bus/errors.ts';

export class TokenMissing extends domainError(ReasonSchema, Reason.TOKEN_MISSING) {
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

export class TokenInvalid extends domainError(ReasonSchema, Reason.TOKEN_INVALID) {
  override readonly metadata: { readonly cause: TokenProblem };
  constructor(problem: TokenProblem) {
    super(explanations[problem]);
    this.metadata = { cause: problem };
  }
}

export class IssuerUnavailable extends domainError(ReasonSchema, Reason.ISSUER_UNAVAILABLE) {
  override readonly retryAfterMs = 1000;
  constructor(cause?: unknown) {
    super("the keys of the token's issuer are unavailable", { cause });
  }
}

export class PermissionMissing extends domainError(ReasonSchema, Reason.PERMISSION_MISSING) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(rule: { readonly permission: string; readonly self: string } | undefined) {
    const { permission = '', self = '' } = rule ?? {};
    super(permission ? `this needs the permission ${permission}` : 'only the user concerned may call this');
    this.metadata = { ...(permission && { permission }), ...(self && { self }) };
  }
}
