import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { TimerNotFound } from '../not-found.ts';
import type { OperationsCommandContext } from './context.ts';

/** Gives a timer up: its command will not be sent. */
export const cancelTimer = command(
  CommandService.method.cancelTimer,
  async ({ timerId }, { timers }: OperationsCommandContext) =>
    (await timers.cancel(timerId)) ? ok({}) : err(new TimerNotFound(timerId)),
);
