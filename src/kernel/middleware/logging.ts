import type { DescMethod } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { Logger } from 'pino';
import type { Call } from '../bus/call.ts';
import { type CallEnd, endCode, endReason, untilItsEnd } from '../bus/call-end.ts';
import { principalKey, traceKey } from '../bus/context-keys.ts';
import { type CallKind, methodName } from '../bus/convention.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { commandAttemptKey } from '../command-log/command-attempt.ts';
import { codeName } from '../telemetry/code-name.ts';
import { LOG_LEVELS, type LogLevel, type LogLevels } from '../telemetry/log-levels.ts';

const NEEDS: readonly Need[] = [{ name: 'tracing', because: 'a line names the trace of its call' }];

/**
 * Writes one line for each call, when it is over: what was called, by whom, how it ended and how long it took. Never a payload.
 *
 * It stands outside the errors middleware and expects ConnectErrors. The line of a stream comes at its end, with the number of messages.
 *
 * `levels` are the least severe lines that are written, of each class of calls. `now` is in milliseconds, from any start.
 */
export function logging(
  logger: Logger,
  { levels, now = () => performance.now() }: { levels?: LogLevels['calls'] | undefined; now?: () => number } = {},
): Middleware {
  const lines =
    (method: string, least: LogLevel) =>
    (call: Call, started: number, end: CallEnd): void => {
      const code = endCode(end);
      const level = levelOf(code);
      if (!logger.isLevelEnabled(level) || severity(level) < severity(least)) return;
      const trace = call.contextValues.get(traceKey);
      logger[level](
        {
          method,
          code: codeName(code),
          command_id: recordOf(call),
          duration_ms: Math.round((now() - started) * 1000) / 1000,
          principal: call.contextValues.get(principalKey)?.id,
          trace_id: trace?.traceId,
          span_id: trace?.spanId,
          door: call.origin.door,
          peer: call.origin.peer,
          reason: endReason(end),
          messages: end.messages,
        },
        'call',
      );
    };

  const around = (method: DescMethod, kind: CallKind): Around => {
    const log = lines(methodName(method), levels?.[kind] ?? 'trace');
    return (next) => (call) => {
      const started = now();
      return untilItsEnd(
        call,
        () => next(call),
        (end) => log(call, started, end),
      );
    };
  };
  return busMiddleware('logging', (method, kind) => (logger.level === 'silent' ? undefined : around(method, kind)), NEEDS);
}

/** The id of a command that has a record. */
function recordOf(call: Call): string | undefined {
  const attempt = call.contextValues.get(commandAttemptKey);
  return attempt && !attempt.isCounted ? call.id : undefined;
}

type CallLevel = 'info' | 'warn' | 'error';

const severity = (level: LogLevel): number => LOG_LEVELS.indexOf(level);

/** What a caller did wrong is no error of the service. */
function levelOf(code: Code | undefined): CallLevel {
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
