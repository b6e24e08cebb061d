import { Reason, ReasonSchema } from '#gen/users/v1/reasons_pb.js';
import { domainError, type FieldViolation } from '../../../kernel/bus/errors.ts';

export class EmailTaken extends domainError(ReasonSchema, Reason.EMAIL_TAKEN) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(email: string) {
    super('another user has this e-mail address');
    this.resource = { type: 'users.v1.User', name: email };
  }
}

export class VersionMismatch extends domainError(ReasonSchema, Reason.VERSION_MISMATCH) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(currentVersion: number) {
    super(`the user is at version ${currentVersion}`);
    this.metadata = { current_version: String(currentVersion) };
  }
}

export class CredentialsInvalid extends domainError(ReasonSchema, Reason.CREDENTIALS_INVALID) {
  constructor() {
    super('the e-mail or the password is wrong');
  }
}

export class CurrentPasswordWrong extends domainError(ReasonSchema, Reason.CURRENT_PASSWORD_WRONG) {
  constructor() {
    super('the current password is wrong');
  }
}

export class UserSuspended extends domainError(ReasonSchema, Reason.USER_SUSPENDED) {
  constructor() {
    super('the user is suspended');
  }
}

export class UserDeleted extends domainError(ReasonSchema, Reason.USER_DELETED) {
  constructor() {
    super('the user is deleted');
  }
}

export class LastAdmin extends domainError(ReasonSchema, Reason.LAST_ADMIN) {
  constructor() {
    super('the last active admin cannot be removed');
  }
}

export class RoleUnknown extends domainError(ReasonSchema, Reason.ROLE_UNKNOWN) {
  override readonly violations: readonly FieldViolation[];
  constructor(roles: readonly string[]) {
    const description = `must be one of ${roles.join(', ')}`;
    super(description);
    this.violations = [{ field: 'role', description }];
  }
}
