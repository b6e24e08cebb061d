import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { TimerNotFound } from '../not-found.ts';
import type { OperationsCommandContext } from './context.ts';
import { TimerNotFailed } from './refusals.ts';

/** Has the commands of failed timers sent again. */
export const retryTimer = command(
  CommandService.method.retryTimer,
  async ({ timers: { case: by, value } }, { timers }: OperationsCommandContext) => {
    const id = by === 'timerId' ? value : undefined;
    const count = await timers.retry({ id, process: by === 'process' ? value : undefined });
    if (id !== undefined && count === 0) return err((await timers.has(id)) ? new TimerNotFailed() : new TimerNotFound(id));

    return ok({ timers: BigInt(count) });
  },
);
