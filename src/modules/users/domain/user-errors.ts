import { DomainError } from '../../../cqrs/errors.ts';

export class EmailTaken extends DomainError {
  readonly reason = 'EMAIL_TAKEN';
  readonly kind = 'already-exists';
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(email: string) {
    super('another user has this e-mail address');
    this.resource = { type: 'users.v1.User', name: email };
  }
}

export class VersionMismatch extends DomainError {
  readonly reason = 'VERSION_MISMATCH';
  readonly kind = 'conflict';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(currentVersion: number) {
    super(`the user is at version ${currentVersion}`);
    this.metadata = { current_version: String(currentVersion) };
  }
}

/** The same for an unknown e-mail and a wrong password (OWASP Authentication Cheat Sheet). */
export class CredentialsInvalid extends DomainError {
  readonly reason = 'CREDENTIALS_INVALID';
  readonly kind = 'unauthenticated';
  constructor() {
    super('the e-mail or the password is wrong');
  }
}

export class CurrentPasswordWrong extends DomainError {
  readonly reason = 'CURRENT_PASSWORD_WRONG';
  readonly kind = 'precondition';
  constructor() {
    super('the current password is wrong');
  }
}

export class UserSuspended extends DomainError {
  readonly reason = 'USER_SUSPENDED';
  readonly kind = 'precondition';
  constructor() {
    super('the user is suspended');
  }
}

export class UserDeleted extends DomainError {
  readonly reason = 'USER_DELETED';
  readonly kind = 'precondition';
  constructor() {
    super('the user is deleted');
  }
}

export class LastAdmin extends DomainError {
  readonly reason = 'LAST_ADMIN';
  readonly kind = 'precondition';
  constructor() {
    super('the last active admin cannot be removed');
  }
}
