import type { DescFile, DescService } from '@bufbuild/protobuf';
import { Health as HealthService } from '#gen/grpc/health/v1/health_pb.js';
import type { Rpc } from '../../bus/bus.ts';
import { CallGauge } from '../../bus/call-gauge.ts';
import type { Middleware } from '../../bus/middleware.ts';
import { deadline } from '../../middleware/deadline.ts';
import { errors, type UnexpectedErrors } from '../../middleware/errors.ts';
import { loadShedding } from '../../middleware/load-shedding.ts';
import { Health } from './health.ts';
import { reflectionRpcs } from './reflection.ts';

/** Who may read the contracts by reflection. */
export type ReflectionAccess = 'on' | 'off' | 'authenticated';

export interface StandardServices {
  readonly health: Health;
  /** To be served by every door beside the bus. */
  readonly rpcs: readonly Rpc[];
}

/**
 * Health and reflection, which everybody may call and which are never refused for load; their streams are counted.
 *
 * They get half of the places for streams: strangers who hold all of those leave the other half to the streams of the bus.
 */
export function createStandardServices(parts: {
  services: readonly DescService[];
  /** Files that the contracts of services do not import and clients need all the same, such as events. */
  others?: readonly DescFile[];
  reflection: ReflectionAccess;
  unexpected: UnexpectedErrors;
  /** All streams of the instance and how many there may be. */
  streams: { readonly gauge: CallGauge; readonly limit: number };
  /** What a caller of reflection passes when it is for those who have signed in. */
  authentication: Middleware;
}): StandardServices {
  const { services, others, reflection, unexpected, streams } = parts;
  const unlimited = new CallGauge(Number.POSITIVE_INFINITY);
  const share = new CallGauge(Math.ceil(streams.limit / 2), { within: streams.gauge });
  const shedding = loadShedding({ commands: unlimited, queries: unlimited, streams: share });
  const outer = [errors(unexpected), shedding, deadline()];

  const health = new Health(services.map(({ typeName }) => typeName));
  const rpcs = [...health.rpcs(outer)];
  if (reflection !== 'off') {
    const admission = reflection === 'authenticated' ? [parts.authentication] : [];
    rpcs.push(...reflectionRpcs({ services: [...services, HealthService], others }, [...outer, ...admission]));
  }
  return { health, rpcs };
}
