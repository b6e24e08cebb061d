import { DomainError } from '../../../kernel/bus/errors.ts';

/** Another user has this e-mail address, compared without regard to case. */
export class EmailTaken extends DomainError {
  readonly reason = 'EMAIL_TAKEN';
  readonly kind = 'already-exists';
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(email: string) {
    super('another user has this e-mail address');
    this.resource = { type: 'users.v1.User', name: email };
  }
}

/** The user is no longer at the `expected_version` of the command: read it, decide again, and send the `current_version`. */
export class VersionMismatch extends DomainError {
  readonly reason = 'VERSION_MISMATCH';
  readonly kind = 'conflict';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(currentVersion: number) {
    super(`the user is at version ${currentVersion}`);
    this.metadata = { current_version: String(currentVersion) };
  }
}

/** The e-mail or the password is wrong; which one is not told (OWASP Authentication Cheat Sheet). */
export class CredentialsInvalid extends DomainError {
  readonly reason = 'CREDENTIALS_INVALID';
  readonly kind = 'unauthenticated';
  constructor() {
    super('the e-mail or the password is wrong');
  }
}

/** The current password that was sent with the new one is not the user's. */
export class CurrentPasswordWrong extends DomainError {
  readonly reason = 'CURRENT_PASSWORD_WRONG';
  readonly kind = 'precondition';
  constructor() {
    super('the current password is wrong');
  }
}

/** The user is suspended and cannot do this until somebody reactivates them. */
export class UserSuspended extends DomainError {
  readonly reason = 'USER_SUSPENDED';
  readonly kind = 'precondition';
  constructor() {
    super('the user is suspended');
  }
}

/** The user is deleted, and that cannot be undone. */
export class UserDeleted extends DomainError {
  readonly reason = 'USER_DELETED';
  readonly kind = 'precondition';
  constructor() {
    super('the user is deleted');
  }
}

/** The last active admin can be neither removed nor suspended nor lose the role: make another one first. */
export class LastAdmin extends DomainError {
  readonly reason = 'LAST_ADMIN';
  readonly kind = 'precondition';
  constructor() {
    super('the last active admin cannot be removed');
  }
}
