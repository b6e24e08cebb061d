import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import type { OperationsCommandContext } from './context.ts';
import { setReactorPaused } from './set-paused.ts';

/** Stops a reactor until it is resumed. */
export const pauseReactor = command(CommandService.method.pauseReactor, ({ reactor }, context: OperationsCommandContext) =>
  setReactorPaused(reactor, true, context),
);
