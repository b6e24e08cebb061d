import type { DescMethod, JsonObject } from '@bufbuild/protobuf';
import { messageKind, methodName } from '../bus/convention.ts';
import { takesKey } from './bus-metadata.ts';
import { contractServices } from './descriptors.ts';
import { RETRY_POLICY, RETRY_THROTTLING } from './retry-policy.ts';

/** The waits are jittered by the client. */
const RETRIES = {
  maxAttempts: RETRY_POLICY.tries,
  initialBackoff: `${RETRY_POLICY.firstPause / 1000}s`,
  maxBackoff: `${RETRY_POLICY.longestPause / 1000}s`,
  backoffMultiplier: RETRY_POLICY.factor,
  retryableStatusCodes: ['UNAVAILABLE'],
};
/** For clients that set no deadline, which is to wait for ever. Hashing a password takes its turn in a queue. */
const TIMEOUT = '10s';

/**
 * A gRPC service config (https://github.com/grpc/grpc/blob/master/doc/service_config.md) for clients: deadlines, and what is sent
 * again when the service is UNAVAILABLE.
 *
 * Queries always are. A command that was cut off while it committed may have been done, and sent again it would be done twice, unless it
 * has an `idempotency-key`. A service config cannot see metadata, so commands are sent again only with `everyCommandHasKey`, which is for
 * clients that keep that promise. Commands that take no key are never.
 */
export function serviceConfig({ everyCommandHasKey }: { readonly everyCommandHasKey: boolean }): JsonObject {
  const methods = contractServices().flatMap((service) => service.methods);
  const isSentAgain = (method: DescMethod): boolean =>
    messageKind(method.parent) === 'query' || (everyCommandHasKey && takesKey(method));
  const groups = Map.groupBy(methods, (method) => `${isSentAgain(method)} ${method.methodKind === 'unary'}`);
  return {
    methodConfig: [...groups.values()].map((group) => {
      const [first] = group;
      return {
        name: group.map(nameOf),
        // A stream may be meant to go on for ever.
        ...(first?.methodKind === 'unary' && { timeout: TIMEOUT }),
        ...(first && isSentAgain(first) && { retryPolicy: RETRIES }),
      };
    }),
    retryThrottling: { ...RETRY_THROTTLING },
  };
}

function nameOf(method: DescMethod): JsonObject {
  const [service = '', name = ''] = methodName(method).split('/');
  return { service, method: name };
}
