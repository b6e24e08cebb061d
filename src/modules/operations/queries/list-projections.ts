import { ok } from 'neverthrow';
import { ProjectionKind, QueryService } from '#gen/operations/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { allProcessors, toProcessor } from '../read-model/processors.ts';
import { newestRebuilds, toRebuild } from '../read-model/rebuilds.ts';
import type { OperationsQueryContext } from './context.ts';

/** Answers every projection of the service, by name. */
export const listProjections = query(
  QueryService.method.listProjections,
  async (_, { read, projections }: OperationsQueryContext) => {
    const processors = Map.groupBy(await read.rows(allProcessors), ({ name }) => name);
    const rebuilds = new Map((await read.rows(newestRebuilds)).map((row) => [row.projection, row]));
    const declared = [...projections.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
    return ok({
      projections: declared.map(({ name, module, kind, tables }) => {
        const rebuild = rebuilds.get(name);
        return {
          name,
          module,
          kind: kind === 'inline' ? ProjectionKind.INLINE : ProjectionKind.ASYNC,
          tables: [...tables],
          rebuildable: tables.length > 0,
          partitions: (processors.get(name) ?? []).map(toProcessor),
          ...(rebuild && { rebuild: toRebuild(rebuild) }),
        };
      }),
    });
  },
);
