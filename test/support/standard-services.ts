import { TokenMissing } from '../../src/kernel/auth/errors.ts';
import { CallGauge } from '../../src/kernel/bus/call-gauge.ts';
import { busMiddleware } from '../../src/kernel/bus/middleware.ts';
import {
  createStandardServices,
  type ReflectionAccess,
  type StandardServices,
} from '../../src/kernel/doors/standard/standard-services.ts';
import type { Conformance } from './conformance-service.ts';

/** Health and reflection of the services that the doors are tested with. `authenticated` lets in who shows any authorization. */
export function standardServices(
  { bus, unexpected }: Conformance,
  {
    reflection = 'on',
    streams = 1000,
    gauge = new CallGauge(streams),
  }: { reflection?: ReflectionAccess; streams?: number; gauge?: CallGauge } = {},
): StandardServices {
  return createStandardServices({
    services: [...new Set([...bus.values()].map(({ method }) => method.parent))],
    reflection,
    unexpected,
    streams: { gauge, limit: streams },
    authentication: busMiddleware('authentication', () => (next) => async (call) => {
      if (!call.header.has('authorization')) throw new TokenMissing();
      return await next(call);
    }),
  });
}
