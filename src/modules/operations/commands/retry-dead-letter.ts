import { err, ok } from 'neverthrow';
import { CommandService, type RetryDeadLetterRequest } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { DeadLetterNotFound, ProcessorNotFound } from '../not-found.ts';
import type { OperationsCommandContext, Which } from './context.ts';

/** Has parked events tried again. */
export const retryDeadLetter = command(
  CommandService.method.retryDeadLetter,
  async (request, { processors, deadLetters }: OperationsCommandContext) => {
    const { processor } = request;
    if (!(await processors.kindOf(processor))) return err(new ProcessorNotFound(processor));
    const which = whichOf(request);
    const count = await deadLetters.retry(processor, which);
    const named = which.sequence ?? which.aggregateId;
    if (count === 0 && named !== undefined) return err(new DeadLetterNotFound(processor, String(named)));

    return ok({ deadLetters: BigInt(count) });
  },
);

function whichOf({ deadLetters }: RetryDeadLetterRequest): Which {
  switch (deadLetters.case) {
    case 'sequence':
      return { sequence: deadLetters.value };
    case 'aggregateId':
      return { aggregateId: deadLetters.value };
    case undefined:
      return {};
  }
}
