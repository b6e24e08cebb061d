import { DomainError } from '../../kernel/bus/errors.ts';

/** The log has no record of the command. */
export class CommandNotFound extends DomainError {
  readonly reason = 'COMMAND_NOT_FOUND';
  readonly kind = 'not-found';
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(commandId: string) {
    super('there is no such command');
    this.resource = { type: 'audit.v1.CommandRecord', name: commandId };
  }
}
