import { type Projection, projectionDigest, projectionParts } from '../projection.ts';
import type { FeedHandler } from './feed-handler.ts';

/** An async projection, for the processors: it begins with the first event that there is. */
export const projectionHandler = (projection: Projection): FeedHandler => ({
  name: projection.name,
  kind: 'projection',
  types: projection.events.map(({ typeName }) => typeName),
  partitions: projection.partitions ?? 1,
  from: 'beginning',
  definition: projectionDigest(projection),
  parts: projectionParts(projection),
  readsData: projection.data ?? true,
});
