import type { Interceptor } from '@connectrpc/connect';
import { type Call, callOf } from '../bus/call.ts';
import { attemptKey, traceKey } from '../bus/context-keys.ts';
import { codeName } from '../telemetry/code-name.ts';
import type { CallMetrics } from '../telemetry/metrics/call-metrics.ts';
import { endCode, endReason, untilItsEnd } from './call-end.ts';
import { commandAttemptKey } from './command-attempt.ts';

/**
 * Counts each call when it is over, and measures how long it took.
 *
 * It stands outside the errors middleware and expects ConnectErrors. `now` is in milliseconds, from any start.
 */
export function metrics(calls: Pick<CallMetrics, 'ended'>, now: () => number = () => performance.now()): Interceptor {
  return (next) => (request) => {
    const call = callOf(request);
    const started = now();
    let firstMessageAt: number | undefined;
    return untilItsEnd(
      call,
      () => next(request),
      (end) => {
        const { method, origin, contextValues } = call;
        const attempt = contextValues.get(commandAttemptKey);
        calls.ended({
          method,
          door: origin.door,
          code: codeName(endCode(end)),
          reason: endReason(end),
          seconds: (now() - started) / 1000,
          firstMessageSeconds: firstMessageAt === undefined ? undefined : (firstMessageAt - started) / 1000,
          attempts: contextValues.get(attemptKey),
          isReplayed: attempt?.answeredBy !== undefined,
          isDryRun: attempt?.dryRun ?? false,
          traceId: () => traceIdOf(call),
          isTraced: contextValues.get(traceKey)?.spanId !== undefined,
        });
      },
      () => {
        firstMessageAt = now();
      },
    );
  };
}

const traceIdOf = ({ contextValues }: Call): string => contextValues.get(traceKey)?.traceId ?? '';
