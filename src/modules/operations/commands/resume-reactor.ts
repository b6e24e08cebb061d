import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import type { OperationsCommandContext } from './context.ts';
import { setReactorPaused } from './set-paused.ts';

/** Lets a paused reactor go on where it stopped. */
export const resumeReactor = command(CommandService.method.resumeReactor, ({ reactor }, context: OperationsCommandContext) =>
  setReactorPaused(reactor, false, context),
);
