import { Code, ConnectError } from '@connectrpc/connect';
import { type Span, SpanStatusCode } from '@opentelemetry/api';
import type { Call } from '../cqrs/call.ts';
import { attemptKey } from '../cqrs/context-keys.ts';
import { methodName } from '../cqrs/convention.ts';
import { DomainError } from '../cqrs/errors.ts';
import type { Target } from '../postgres/command-log/command-record.ts';
import { readerKey } from '../postgres/reader/reader.ts';
import { ATTRIBUTE, type SpanAttributes } from '../telemetry/attributes.ts';
import { codeName } from '../telemetry/code-name.ts';
import { commandAttemptKey, outcomeOf } from './command-attempt.ts';
import { codeOf } from './error-codes.ts';

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

/** What the semantic conventions count as errors of a server: the others are the caller's, or nobody's. */
const FAULTS: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Unimplemented,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
]);

/** Says on the span of a call how it ended, and ends it. `error` is what its caller got, `messages` how many a stream sent before. */
export function endCallSpan(span: Span, call: Call, { error, messages }: { error?: unknown; messages?: number } = {}): void {
  const code = error === undefined ? undefined : codeOf(error);
  // The errors middleware keeps what it typed as the cause.
  const planned = error instanceof ConnectError ? error.cause : error;
  span.setAttributes({
    [ATTRIBUTE.rpcStatusCode]: codeName(code),
    [ATTRIBUTE.messages]: messages,
    [ATTRIBUTE.reason]: planned instanceof DomainError ? planned.reason : undefined,
    [ATTRIBUTE.servedBy]: call.contextValues.get(readerKey)?.name,
    ...commandAttributes(call),
    [ATTRIBUTE.outcome]: commandOutcome(call, error && planned),
  } satisfies SpanAttributes);
  if (code !== undefined && FAULTS.has(code)) {
    span.setAttribute(ATTRIBUTE.errorType, codeName(code));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function commandOutcome({ contextValues }: Call, error: unknown): string {
  return contextValues.get(commandAttemptKey)?.outcome(error) ?? outcomeOf(error);
}

function commandAttributes({ id, contextValues }: Call): SpanAttributes {
  const attempt = contextValues.get(commandAttemptKey);
  if (!attempt) return {};
  return {
    [ATTRIBUTE.commandId]: attempt.answeredBy ?? id,
    [ATTRIBUTE.attempt]: contextValues.get(attemptKey),
    [ATTRIBUTE.replayed]: attempt.answeredBy === undefined ? undefined : true,
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
