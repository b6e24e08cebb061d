import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { type ErrorInfo, ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { answerOf, toResponse } from '../cqrs/answer.ts';
import { type Call, callOf, type Message } from '../cqrs/call.ts';
import { principalKey, traceKey } from '../cqrs/context-keys.ts';
import { methodName } from '../cqrs/convention.ts';
import { codeName } from '../telemetry/code-name.ts';
import { errorOf, type StreamEnd, watchedStream } from './watched-stream.ts';

/**
 * Writes one line for each call, when it is over: what was called, by whom, how it ended and how long it took. Never a payload.
 *
 * It stands outside the errors middleware and expects ConnectErrors. The line of a stream comes at its end, with the number of messages.
 *
 * `now` is in milliseconds, from any start.
 */
export function logging(logger: Logger, now: () => number = () => performance.now()): Interceptor {
  function log(call: Call, started: number, error: unknown, messages?: number): void {
    const code = error === undefined ? undefined : codeOf(error);
    const level = levelOf(code);
    if (!logger.isLevelEnabled(level)) return;
    const trace = call.contextValues.get(traceKey);
    logger[level](
      {
        method: methodName(call.method),
        code: codeName(code),
        duration_ms: Math.round((now() - started) * 1000) / 1000,
        principal: call.contextValues.get(principalKey)?.id,
        trace_id: trace?.traceId,
        span_id: trace?.spanId,
        door: call.origin.door,
        peer: call.origin.peer,
        reason: reasonOf(error),
        messages,
      },
      'call',
    );
  }

  return (next) => async (request) => {
    if (logger.level === 'silent') return await next(request);
    const call = callOf(request);
    const started = now();
    try {
      const response = await next(request);
      if (!call.stream) {
        log(call, started, undefined);
        return response;
      }
      const answer = answerOf(response);
      const report = (end: StreamEnd, count: number) => log(call, started, errorOf(end, call), count);
      return toResponse(answer.withMessage(watchedStream(answer.message as AsyncIterable<Message>, report)));
    } catch (error) {
      log(call, started, error);
      throw error;
    }
  };
}

const codeOf = (error: unknown): Code => (error instanceof ConnectError ? error.code : Code.Unknown);

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

/** The `reason` of the error's google.rpc.ErrorInfo (AIP-193). */
function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  for (const detail of error.details) {
    if ('desc' in detail && detail.desc.typeName === ErrorInfoSchema.typeName) return (detail.value as Partial<ErrorInfo>).reason;
  }
  return undefined;
}
