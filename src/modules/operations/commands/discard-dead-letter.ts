import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { DeadLetterNotFound, ProcessorNotFound } from '../not-found.ts';
import type { OperationsCommandContext } from './context.ts';

/** Gives a parked event up. */
export const discardDeadLetter = command(
  CommandService.method.discardDeadLetter,
  async ({ processor, sequence }, { processors, deadLetters }: OperationsCommandContext) => {
    if (!(await processors.kindOf(processor))) return err(new ProcessorNotFound(processor));
    if (!(await deadLetters.discard(processor, sequence))) return err(new DeadLetterNotFound(processor, String(sequence)));

    return ok({});
  },
);
