import { Code, type Interceptor } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { type Call, callOf } from '../cqrs/call.ts';
import { principalKey, traceKey } from '../cqrs/context-keys.ts';
import { methodName } from '../cqrs/convention.ts';
import { codeName } from '../telemetry/code-name.ts';
import { type CallEnd, endCode, endReason, untilItsEnd } from './call-end.ts';

/**
 * Writes one line for each call, when it is over: what was called, by whom, how it ended and how long it took. Never a payload.
 *
 * It stands outside the errors middleware and expects ConnectErrors. The line of a stream comes at its end, with the number of messages.
 *
 * `now` is in milliseconds, from any start.
 */
export function logging(logger: Logger, now: () => number = () => performance.now()): Interceptor {
  function log(call: Call, started: number, end: CallEnd): void {
    const code = endCode(end);
    const level = levelOf(code);
    if (!logger.isLevelEnabled(level)) return;
    logger[level](
      {
        method: methodName(call.method),
        code: codeName(code),
        duration_ms: Math.round((now() - started) * 1000) / 1000,
        principal: call.contextValues.get(principalKey)?.id,
        trace_id: call.contextValues.get(traceKey)?.traceId,
        door: call.origin.door,
        peer: call.origin.peer,
        reason: endReason(end),
        messages: end.messages,
      },
      'call',
    );
  }

  return (next) => (request) => {
    if (logger.level === 'silent') return next(request);
    const call = callOf(request);
    const started = now();
    return untilItsEnd(
      call,
      () => next(request),
      (end) => log(call, started, end),
    );
  };
}

function levelOf(code: Code | undefined): 'info' | 'warn' | 'error' {
  switch (code) {
    case Code.Internal:
    case Code.Unknown:
    case Code.DataLoss:
      return 'error';
    case Code.Unavailable:
    case Code.ResourceExhausted:
    case Code.DeadlineExceeded:
      return 'warn';
    default:
      return 'info';
  }
}
