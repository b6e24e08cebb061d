import { Code, type Interceptor } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { type Call, callOf } from '../bus/call.ts';
import { principalKey, traceKey } from '../bus/context-keys.ts';
import { messageKind, methodName } from '../bus/convention.ts';
import { codeName } from '../telemetry/code-name.ts';
import { type CallClass, LOG_LEVELS, type LogLevel, type LogLevels } from '../telemetry/log-levels.ts';
import { type CallEnd, endCode, endReason, untilItsEnd } from './call-end.ts';
import { commandAttemptKey } from './command-attempt.ts';

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
): Interceptor {
  const isWritten = (call: Call, level: CallLevel): boolean =>
    logger.isLevelEnabled(level) && (!levels || severity(level) >= severity(levels[classOf(call)]));

  function log(call: Call, started: number, end: CallEnd): void {
    const code = endCode(end);
    const level = levelOf(code);
    if (!isWritten(call, level)) return;
    const trace = call.contextValues.get(traceKey);
    logger[level](
      {
        method: methodName(call.method),
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

/** The id of a command that has a record. */
function recordOf(call: Call): string | undefined {
  const attempt = call.contextValues.get(commandAttemptKey);
  return attempt && !attempt.isCounted ? call.id : undefined;
}

type CallLevel = 'info' | 'warn' | 'error';

const severity = (level: LogLevel): number => LOG_LEVELS.indexOf(level);

const classOf = (call: Call): CallClass => (call.stream ? 'stream' : (messageKind(call.method.parent) ?? 'query'));

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
