import { DomainError } from '../../kernel/bus/errors.ts';

/** No user has the id or the e-mail that was asked for. */
export class UserNotFound extends DomainError {
  readonly reason = 'USER_NOT_FOUND';
  readonly kind = 'not-found';
  override readonly resource: { readonly type: string; readonly name: string };
  /** `name` is the id or the e-mail that was asked for. */
  constructor(name: string) {
    super('there is no such user');
    this.resource = { type: 'users.v1.User', name };
  }
}
