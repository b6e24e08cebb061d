import { toJsonString } from '@bufbuild/protobuf';
import { type Projection, ProjectionKind, ProjectionSchema, QueryService } from '#gen/operations/v1/query_service_pb.js';
import { type Rebuild, RebuildState } from '#gen/operations/v1/rebuild_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { alignedRows } from '../aligned-rows.ts';
import { print } from '../print.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';
import { counted } from '../units.ts';

/** `bicameral projection list` */
export async function listProjections(environment: Environment, options: TrustFiles & { json?: boolean }): Promise<void> {
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    const { projections } = await client(QueryService).listProjections({}, { headers: { 'cqrs-consistency': 'strong' } });
    await print(options.json ? json(projections) : table(projections));
  } finally {
    close();
  }
}

const json = (projections: readonly Projection[]): string =>
  projections.map((projection) => `${toJsonString(ProjectionSchema, projection, { alwaysEmitImplicit: true })}\n`).join('');

const table = (projections: readonly Projection[]): string =>
  alignedRows()([
    ['PROJECTION', 'MODULE', 'KIND', 'STATE', 'TABLES', 'NEWEST REBUILD'],
    ...projections.map((projection) => [
      projection.name,
      projection.module,
      ProjectionKind[projection.kind].toLowerCase(),
      stateOf(projection),
      projection.tables.join(', '),
      projection.rebuild ? rebuildOf(projection.rebuild) : '',
    ]),
  ]);

function stateOf({ kind, partitions }: Projection): string {
  if (kind === ProjectionKind.INLINE) return 'with each command';
  const behind = Math.max(0, ...partitions.map(({ lagEvents }) => Number(lagEvents)));
  const paused = partitions.some((partition) => partition.paused) ? 'paused, ' : '';
  return `${paused}${counted(behind, 'event')} behind`;
}

function rebuildOf({ verify, state, differenceCount }: Rebuild): string {
  const what = `${verify ? 'verification' : 'rebuild'} ${RebuildState[state].toLowerCase()}`;
  return differenceCount > 0n ? `${what}: ${counted(differenceCount, 'difference')}` : what;
}
