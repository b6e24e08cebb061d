import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { RebuildState } from '#gen/operations/v1/rebuild_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { ProjectionNotFound } from '../not-found.ts';
import type { OperationsCommandContext } from './context.ts';
import { ProjectionNotRebuildable, RebuildUnderWay } from './refusals.ts';

/** Asks for a projection to be made again, or to be compared. Some instance takes that up. */
export const rebuildProjection = command(
  CommandService.method.rebuildProjection,
  async ({ projection, verify }, { projections, rebuilds, now, newId }: OperationsCommandContext) => {
    const declared = projections.get(projection);
    if (!declared) return err(new ProjectionNotFound(projection));
    if (declared.tables.length === 0) return err(new ProjectionNotRebuildable(projection));
    const id = newId();
    const other = await rebuilds.begin({ id, projection, verify, now });
    if (other) return err(new RebuildUnderWay(other.underWay));

    const since = timestampFromDate(now);
    return ok({
      rebuild: { rebuildId: id, projection, verify, state: RebuildState.RUNNING, startedAt: since, updatedAt: since },
    });
  },
);
