import type { Call } from '../bus/call.ts';
import { endCode, endReason, untilItsEnd } from '../bus/call-end.ts';
import { traceKey } from '../bus/context-keys.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { commandAttemptKey } from '../command-log/command-attempt.ts';
import { codeName } from '../telemetry/code-name.ts';
import type { CallMetrics } from '../telemetry/metrics/call-metrics.ts';

const NEEDS: readonly Need[] = [{ name: 'tracing', because: 'a slow call is shown with its trace' }];

/**
 * Counts each call when it is over, and measures how long it took.
 *
 * It stands outside the errors middleware and expects ConnectErrors. `now` is in milliseconds, from any start.
 */
export function metrics(calls: Pick<CallMetrics, 'ended'>, now: () => number = () => performance.now()): Middleware {
  const around: Around = (next) => (call) => {
    const started = now();
    let firstMessageAt: number | undefined;
    return untilItsEnd(
      call,
      () => next(call),
      (end, answer) => {
        const { method, origin, contextValues } = call;
        const attempt = contextValues.get(commandAttemptKey);
        calls.ended({
          method,
          door: origin.door,
          code: codeName(endCode(end)),
          reason: endReason(end),
          seconds: (now() - started) / 1000,
          firstMessageSeconds: firstMessageAt === undefined ? undefined : (firstMessageAt - started) / 1000,
          attempts: attempt?.tries ?? 1,
          isReplayed: attempt?.replayed(answer) !== undefined,
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
  return busMiddleware('metrics', () => around, NEEDS);
}

const traceIdOf = ({ contextValues }: Call): string => contextValues.get(traceKey)?.traceId ?? '';
