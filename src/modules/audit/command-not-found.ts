import { Reason, ReasonSchema } from '#gen/audit/v1/reasons_pb.js';
import { domainError } from '../../kernel/bus/errors.ts';

export class CommandNotFound extends domainError(ReasonSchema, Reason.COMMAND_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(commandId: string) {
    super('there is no such command');
    this.resource = { type: 'audit.v1.CommandRecord', name: commandId };
  }
}
