import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import type { OperationsCommandContext } from './context.ts';
import { setProjectionPaused } from './set-paused.ts';

/** Lets a paused projection go on where it stopped. */
export const resumeProjection = command(
  CommandService.method.resumeProjection,
  ({ projection }, context: OperationsCommandContext) => setProjectionPaused(projection, false, context),
);
