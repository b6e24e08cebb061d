import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { ProjectionNotFound } from '../not-found.ts';
import type { OperationsCommandContext } from './context.ts';
import { RebuildNotRunning } from './refusals.ts';

/** Ends a rebuild or a verification: who works on it notices, and leaves the old tables as they are. */
export const cancelRebuild = command(
  CommandService.method.cancelRebuild,
  async ({ projection }, { projections, rebuilds, now }: OperationsCommandContext) => {
    // One that no module declares any more can still be canceled.
    const rebuildId = await rebuilds.cancel(projection, now);
    if (rebuildId !== undefined) return ok({ rebuildId });
    return err(projections.has(projection) ? new RebuildNotRunning() : new ProjectionNotFound(projection));
  },
);
