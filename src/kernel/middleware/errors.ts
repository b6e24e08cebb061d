import type { DescMethod } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import type { Answer } from '../bus/answer.ts';
import type { Call, Message } from '../bus/call.ts';
import { traceKey } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { DomainError, domainError } from '../bus/errors.ts';
import { addedMetadata } from '../bus/interceptor.ts';
import { busMiddleware, type Middleware } from '../bus/middleware.ts';
import { hiddenTexts } from '../bus/redaction.ts';
import { hasErrorInfo, typedError } from '../bus/typed-error.ts';
import { COMMAND_ID_HEADER, commandAttemptKey } from '../command-log/command-attempt.ts';
import { meaningOf } from '../database/sql-errors.ts';

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
export function errors(unexpected: UnexpectedErrors): Middleware {
  const failed = (error: unknown, call: Call): ConnectError => {
    const typed = toConnectError(error, call.method, unexpected, call);
    for (const [name, value] of addedMetadata(error)) typed.metadata.append(name, value);
    const attempt = call.contextValues.get(commandAttemptKey);
    if (attempt && !attempt.isCounted) typed.metadata.set(COMMAND_ID_HEADER, call.id);
    return typed;
  };
  return busMiddleware('errors', (_, kind) => (next) => async (call) => {
    try {
      const answer = await next(call);
      if (kind !== 'stream') return answer;
      const stream = answer as Answer<AsyncIterable<Message>>;
      return stream.withMessage(typedErrors(stream.message, (error) => failed(error, call)));
    } catch (error) {
      throw failed(error, call);
    }
  });
}

async function* typedErrors(messages: AsyncIterable<Message>, typed: (error: unknown) => ConnectError): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    throw typed(error);
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
