import type { DescMethod } from '@bufbuild/protobuf';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from '#gen/google/rpc/error_details_pb.js';
import { type Answer, answerOf, toResponse } from '../bus/answer.ts';
import { type Call, callOf, type Message } from '../bus/call.ts';
import { traceKey } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { DomainError, domainError } from '../bus/errors.ts';
import { hiddenTexts } from '../bus/redaction.ts';
import { meaningOf } from '../database/sql-errors.ts';
import { COMMAND_ID_HEADER, commandAttemptKey } from './command-attempt.ts';

type Detail = NonNullable<ConstructorParameters<typeof ConnectError>[3]>[number];

/** What becomes of an error that nobody planned. The caller learns its id, the log the rest. */
export interface UnexpectedErrors {
  readonly newId: () => string;
  /**
   * Called once for each. `method` is undefined when the call never came as far as an rpc. `hidden` are texts of the call that are secret
   * or personal: nothing of them may be written, whatever the error says.
   */
  readonly report: (unexpected: {
    error: unknown;
    errorId: string;
    method: string | undefined;
    traceId: string | undefined;
    hidden: readonly string[];
  }) => void;
}

/**
 * Answers every failure below it, also one in the middle of a stream, with a typed error: see `toConnectError`.
 * What is outside of it (logs, metrics, traces) sees the error as the caller does.
 */
export function errors(unexpected: UnexpectedErrors): Interceptor {
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      const answer = answerOf(response) as Answer<AsyncIterable<Message>>;
      return toResponse(answer.withMessage(typedErrors(answer.message, callOf(request), unexpected)));
    } catch (error) {
      const call = callOf(request);
      const typed = toConnectError(error, request.method, unexpected, call);
      const { contextValues, id } = call;
      const attempt = contextValues.get(commandAttemptKey);
      if (attempt && !attempt.isCounted) typed.metadata.set(COMMAND_ID_HEADER, id);
      throw typed;
    }
  };
}

async function* typedErrors(messages: AsyncIterable<Message>, call: Call, unexpected: UnexpectedErrors): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    throw toConnectError(error, call.method, unexpected, call);
  }
}

/** What a call brings that is nobody else's: secrets, personal data, the token. */
function hiddenIn(call: Call): readonly string[] {
  const token = call.headerValue('authorization')?.replace(/^\S+\s+/, '');
  const key = call.headerValue('idempotency-key');
  return [...hiddenTexts(call.method.input, call.request), ...[token, key].filter((text) => text !== undefined)];
}

class Unexpected extends domainError(ReasonSchema, Reason.INTERNAL) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(errorId: string, cause: unknown) {
    super('internal error', { cause });
    this.metadata = { error_id: errorId };
  }
}

class DatabaseDamaged extends domainError(ReasonSchema, Reason.DATABASE_DAMAGED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(errorId: string, cause: unknown) {
    super('the database is damaged', { cause });
    this.metadata = { error_id: errorId };
  }
}

/**
 * The error as callers see it (AIP-193): a code and `google.rpc.ErrorInfo`, for a DomainError with all that it says.
 * An error that already carries ErrorInfo stays as it is. Any other becomes INTERNAL, or DATA_LOSS when it is the database's, with
 * nothing but an id, and is reported.
 */
export function toConnectError(
  error: unknown,
  method: DescMethod | undefined,
  unexpected: UnexpectedErrors,
  call?: Call,
): ConnectError {
  if (error instanceof ConnectError && hasErrorInfo(error)) return error;
  if (error instanceof DomainError) return typedError(error);
  const errorId = unexpected.newId();
  const traceId = call?.contextValues.get(traceKey)?.traceId;
  unexpected.report({ error, errorId, method: method && methodName(method), traceId, hidden: call ? hiddenIn(call) : [] });
  const isDamage = meaningOf(error) === 'damaged';
  return typedError(isDamage ? new DatabaseDamaged(errorId, error) : new Unexpected(errorId, error));
}

export function hasErrorInfo(error: ConnectError): boolean {
  return error.details.some((detail) => ('desc' in detail ? detail.desc.typeName : detail.type) === ErrorInfoSchema.typeName);
}

function errorInfo(info: { reason: string; domain: string; metadata?: Readonly<Record<string, string>> }): Detail {
  const metadata = Object.entries(info.metadata ?? {}).map(([key, value]) => [key, bounded(value, MAX_TEXT)]);
  return { desc: ErrorInfoSchema, value: { ...info, metadata: Object.fromEntries(metadata) } };
}

/** A planned outcome as callers see it. */
export function typedError(error: DomainError): ConnectError {
  const { reason, domain, metadata, resource, retryAfterMs } = error;
  const message = bounded(error.message, MAX_TEXT);
  const details = [errorInfo({ reason, domain, metadata })];
  if (error.code === Code.InvalidArgument && error.violations.length > 0) details.push(badRequest(error));
  if (error.code === Code.FailedPrecondition) {
    const subject = resource ? `${resource.type}/${resource.name}` : '';
    const violations = [{ type: reason, subject, description: message }];
    details.push({ desc: PreconditionFailureSchema, value: { violations } });
  }
  if (resource) {
    const value = { resourceType: resource.type, resourceName: bounded(resource.name, MAX_TEXT), description: message };
    details.push({ desc: ResourceInfoSchema, value });
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(retryAfterMs / 1000)), nanos: Math.round((retryAfterMs % 1000) * 1e6) };
    details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return new ConnectError(message, error.code, undefined, details, error);
}

/**
 * An error travels in HTTP/2 trailers, and some clients accept no more than 8 to 16 KiB of those: parts that repeat what the caller
 * sent are cut. Well-formed, because a lone surrogate cannot be written in a header.
 */
const MAX_TEXT = 500;
const MAX_VIOLATIONS = 20;

function bounded(text: string, length: number): string {
  return (text.length > length ? `${text.slice(0, length)}…` : text).toWellFormed();
}

function badRequest({ violations }: DomainError): Detail {
  const fieldViolations = violations.slice(0, MAX_VIOLATIONS).map(({ field, description, rule }) => ({
    field: bounded(field, 100),
    description: bounded(description, 200),
    reason: rule === undefined ? '' : upperSnake(rule),
  }));
  return { desc: BadRequestSchema, value: { fieldViolations } };
}

/** `string.min_len` as `STRING_MIN_LEN`, the form that BadRequest asks for. */
const upperSnake = (rule: string): string => rule.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
