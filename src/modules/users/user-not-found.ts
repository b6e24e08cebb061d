import { Reason, ReasonSchema } from '#gen/users/v1/reasons_pb.js';
import { domainError } from '../../kernel/bus/errors.ts';

export class UserNotFound extends domainError(ReasonSchema, Reason.USER_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  /** `name` is the id or the e-mail that was asked for. */
  constructor(name: string) {
    super('there is no such user');
    this.resource = { type: 'users.v1.User', name };
  }
}
