import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import type { OperationsCommandContext } from './context.ts';
import { setProjectionPaused } from './set-paused.ts';

/** Stops a projection until it is resumed. */
export const pauseProjection = command(
  CommandService.method.pauseProjection,
  ({ projection }, context: OperationsCommandContext) => setProjectionPaused(projection, true, context),
);
