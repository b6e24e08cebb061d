import { ConnectError } from '@connectrpc/connect';
import { type Span, SpanStatusCode } from '@opentelemetry/api';
import type { Answer } from '../bus/answer.ts';
import type { Call } from '../bus/call.ts';
import { type CallEnd, endCode, endReason } from '../bus/call-end.ts';
import { methodName } from '../bus/convention.ts';
import { commandAttemptKey, outcomeOf } from '../command-log/command-attempt.ts';
import type { Target } from '../command-log/command-record.ts';
import { readerKey } from '../database/read/reader.ts';
import { ATTRIBUTE, type SpanAttributes } from './attributes.ts';
import { codeName, isFault } from './code-name.ts';

/** What the sampler is told of a call. */
export function sampledBy(call: Call): SpanAttributes {
  const isGrpc = call.origin.door === 'grpc' || call.headerValue('content-type')?.startsWith('application/grpc');
  return { [ATTRIBUTE.rpcSystem]: isGrpc ? 'grpc' : 'connectrpc', [ATTRIBUTE.rpcMethod]: methodName(call.method) };
}

/** Says on the span of a call where it came from. */
export function describeOrigin(span: Span, { origin: { door, peer } }: Call): void {
  const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(peer) ?? [];
  span.setAttributes({
    [ATTRIBUTE.door]: door,
    ...(address && { [ATTRIBUTE.peerAddress]: address, [ATTRIBUTE.peerPort]: Number(port) }),
  } satisfies SpanAttributes);
}

/** Says on the span of a call how it ended, and ends it. */
export function endCallSpan(span: Span, call: Call, { end, answer }: { end: CallEnd; answer?: Answer | undefined }): void {
  const code = codeName(endCode(end));
  // The errors middleware keeps what it typed as the cause; a reader that left knows of none.
  const planned = end.error instanceof ConnectError ? (end.error.cause ?? call.cancellation.reason ?? end.error) : end.error;
  span.setAttributes({
    [ATTRIBUTE.rpcStatusCode]: code,
    [ATTRIBUTE.messages]: end.messages,
    [ATTRIBUTE.reason]: endReason(end),
    [ATTRIBUTE.servedBy]: call.contextValues.get(readerKey)?.name,
    ...commandAttributes(call, answer),
    [ATTRIBUTE.outcome]: call.contextValues.get(commandAttemptKey)?.outcome(planned, answer) ?? outcomeOf(planned),
  } satisfies SpanAttributes);
  if (isFault(code)) {
    span.setAttribute(ATTRIBUTE.errorType, code);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function commandAttributes({ id, contextValues }: Call, answer: Answer | undefined): SpanAttributes {
  const attempt = contextValues.get(commandAttemptKey);
  if (!attempt) return {};
  const replayed = attempt.replayed(answer);
  return {
    [ATTRIBUTE.commandId]: replayed ?? id,
    [ATTRIBUTE.attempt]: attempt.tries,
    [ATTRIBUTE.replayed]: replayed === undefined ? undefined : true,
    [ATTRIBUTE.dryRun]: attempt.dryRun || undefined,
    ...targetAttributes(attempt.target),
  };
}

/** What a command was about. */
export function targetAttributes(target: Target | undefined): SpanAttributes {
  return {
    [ATTRIBUTE.aggregateType]: target?.aggregateType,
    [ATTRIBUTE.aggregateId]: target?.aggregateId,
    [ATTRIBUTE.aggregateVersion]: target?.versionAfter ?? target?.versionBefore,
  };
}
