import { Reason, ReasonSchema } from '#gen/users/v1/reasons_pb.js';
import { domainError } from '../../../kernel/bus/errors.ts';
import type { RefreshProblem } from './sessions.ts';

export class RefreshTokenInvalid extends domainError(ReasonSchema, Reason.REFRESH_TOKEN_INVALID) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(problem: RefreshProblem) {
    super('the refresh token is no longer valid; log in again');
    this.metadata = { cause: problem };
  }
}

export class SessionUnknown extends domainError(ReasonSchema, Reason.SESSION_UNKNOWN) {
  constructor() {
    super('the token belongs to no session of this service');
  }
}

/** How long a log-in counts for what asks for the password again. */
export const RECENT_LOG_IN_SECONDS = 300;

export class ReauthenticationNeeded extends domainError(ReasonSchema, Reason.REAUTHENTICATION_NEEDED) {
  override readonly metadata: Readonly<Record<string, string>> = {
    field: 'current_password',
    max_age_seconds: String(RECENT_LOG_IN_SECONDS),
  };
  constructor() {
    super('send the current password, or log in again first');
  }
}
