import { DomainError } from '../../../kernel/bus/errors.ts';
import type { RefreshProblem } from './sessions.ts';

/**
 * The refresh token gets no access token: log in again. `cause` says why: `UNKNOWN` (no such token, or its session is gone), `EXPIRED` (not
 * used for too long, or the session has lasted as long as it may), `REUSED` (used before: two hold it, so the session was ended), `ENDED`
 * (a log-out, a change of password elsewhere, a suspension, a lost role).
 */
export class RefreshTokenInvalid extends DomainError {
  readonly reason = 'REFRESH_TOKEN_INVALID';
  readonly kind = 'unauthenticated';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(problem: RefreshProblem) {
    super('the refresh token is not good any more; log in again');
    this.metadata = { cause: problem };
  }
}

/** The token belongs to no session of this service: it is an operator's, or another issuer's, whose sessions are ended there. */
export class SessionUnknown extends DomainError {
  readonly reason = 'SESSION_UNKNOWN';
  readonly kind = 'precondition';
  constructor() {
    super('the token belongs to no session of this service');
  }
}

/** How long a log-in counts for what asks for the password again. */
export const RECENT_LOG_IN_SECONDS = 300;

/**
 * A token alone does not suffice for this: send `current_password` with the request, or log in again and send it with the new token
 * within `max_age_seconds` of the log-in. A refreshed token keeps the time of its log-in.
 */
export class ReauthenticationNeeded extends DomainError {
  readonly reason = 'REAUTHENTICATION_NEEDED';
  readonly kind = 'precondition';
  override readonly metadata: Readonly<Record<string, string>> = {
    field: 'current_password',
    max_age_seconds: String(RECENT_LOG_IN_SECONDS),
  };
  constructor() {
    super('send the current password, or log in again first');
  }
}
