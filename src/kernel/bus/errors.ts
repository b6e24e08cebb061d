import type { GenEnum } from '@bufbuild/protobuf/codegenv2';
import type { Code } from '@connectrpc/connect';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { type StatedReason, statedReason } from './reason.ts';

/** One broken rule about one field of the request, named by its path in the message. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
  /** The id of the rule in the contract, e.g. `string.email`. */
  readonly rule?: string;
}

/**
 * An outcome that is planned for and that the caller can act on. Handlers return it in an `Err`; middleware throws it.
 *
 * ```ts
 * const outcome = order.cancel({ at: now });
 * if (outcome.isErr() && outcome.error instanceof DomainError) logger.debug({ reason: outcome.error.reason }, 'refused');
 * ```
 *
 * The contract says how it reaches the caller and what the caller can do: see `domainError`. Every part of the message that varies is
 * also in `metadata` (AIP-193); neither may hold a secret.
 */
export abstract class DomainError<R extends number = number> extends Error {
  /** What the contract says of it. */
  readonly stated: StatedReason<R>;
  readonly metadata: Readonly<Record<string, string>> = {};
  /** INVALID_ARGUMENT: what is wrong with which field. */
  readonly violations: readonly FieldViolation[] = [];
  /** NOT_FOUND and ALREADY_EXISTS: what the call asked for, or what exists already. */
  readonly resource: { readonly type: string; readonly name: string } | undefined = undefined;
  /** RESOURCE_EXHAUSTED and UNAVAILABLE: when to come back. */
  readonly retryAfterMs: number | undefined = undefined;

  constructor(stated: StatedReason<R>, message?: string, options?: ErrorOptions) {
    super(message, options);
    this.stated = stated;
  }

  /** Stable for ever (AIP-193), e.g. `EMAIL_TAKEN`. */
  get reason(): string {
    return this.stated.reason;
  }

  /** The proto package that the reason belongs to. */
  get domain(): string {
    return this.stated.domain;
  }

  get code(): Code {
    return this.stated.code;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/**
 * What an error extends: a DomainError with a reason of a contract, which gives it its code and its domain.
 *
 * ```ts
 * export class EmailTaken extends domainError(ReasonSchema, Reason.EMAIL_TAKEN) {}
 * ```
 */
export function domainError<E extends number, const R extends E>(
  reasons: GenEnum<E>,
  value: R,
): abstract new (
  message?: string,
  options?: ErrorOptions,
) => DomainError<R> {
  const stated = statedReason(reasons.value[value], value);
  abstract class StatedError extends DomainError<R> {
    constructor(message?: string, options?: ErrorOptions) {
      super(stated, message, options);
    }
  }
  return StatedError;
}

/**
 * The request breaks a rule that the contract cannot state. Each violation names a field.
 *
 * ```ts
 * if (!catalogue.has(request.sku)) return err(new InvalidRequest([{ field: 'sku', description: 'is not in the catalogue' }]));
 * ```
 */
export class InvalidRequest extends domainError(ReasonSchema, Reason.INVALID_REQUEST) {
  override readonly violations: readonly FieldViolation[];
  constructor(violations: readonly FieldViolation[]) {
    super(violations.map(({ field, description }) => (field ? `${field}: ${description}` : description)).join('; '));
    this.violations = violations;
  }
}

export class MalformedRequest extends domainError(ReasonSchema, Reason.MALFORMED_REQUEST) {
  constructor(cause?: unknown, message = 'the request is not a valid message of its type') {
    super(message, { cause });
  }
}

export class DeadlinePassed extends domainError(ReasonSchema, Reason.DEADLINE_PASSED) {
  constructor() {
    super('the deadline passed before the call was done');
  }
}

export class CallCanceled extends domainError(ReasonSchema, Reason.CALL_CANCELED) {
  constructor() {
    super('the caller canceled the call');
  }
}

/**
 * The instance has no room for the call now. The caller waits for the time in `RetryInfo` and tries again.
 *
 * ```ts
 * if (queue.isFull) throw new Overloaded('the print queue');
 * ```
 */
export class Overloaded extends domainError(ReasonSchema, Reason.OVERLOADED) {
  override readonly retryAfterMs: number;
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(resource: string, retryAfterMs = spread(1000)) {
    super(`too many calls are waiting for ${resource}`);
    this.metadata = { resource };
    this.retryAfterMs = retryAfterMs;
  }
}

/** A time around this one: callers that were refused together should not come back together. */
const spread = (ms: number): number => Math.round(ms * (0.5 + Math.random()));

export class RateLimited extends domainError(ReasonSchema, Reason.RATE_LIMITED) {
  override readonly retryAfterMs: number;
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(rateClass: string, retryAfterMs: number) {
    super(`too many calls of the class ${rateClass}`);
    this.metadata = { class: rateClass };
    this.retryAfterMs = retryAfterMs;
  }
}

export class GuessesThrottled extends domainError(ReasonSchema, Reason.GUESSES_THROTTLED) {
  override readonly retryAfterMs: number;
  constructor(retryAfterMs: number) {
    super('too many wrong attempts in a row; wait before the next');
    this.retryAfterMs = Math.ceil(retryAfterMs);
  }
}

export class GuessesExhausted extends domainError(ReasonSchema, Reason.GUESSES_EXHAUSTED) {
  constructor() {
    super('a hundred attempts in a row were wrong; an operator has to unlock the password');
  }
}

/**
 * The database did not respond. Statements of a repository or of a `Reader` throw it by themselves; a module throws it for another store.
 *
 * ```ts
 * const price = await prices.read(sku).catch((error: unknown) => { throw new DatabaseUnavailable(error); });
 * ```
 */
export class DatabaseUnavailable extends domainError(ReasonSchema, Reason.DATABASE_UNAVAILABLE) {
  override readonly retryAfterMs = 1000;
  constructor(cause?: unknown) {
    super('the database is unavailable', { cause });
  }
}

/**
 * Other commands changed the same data. The command is tried again, and the caller gets this error when that does not help.
 *
 * ```ts
 * if (stock.version !== read.version) throw new Conflict();
 * ```
 */
export class Conflict extends domainError(ReasonSchema, Reason.CONFLICT) {
  constructor(cause?: unknown) {
    super('other commands changed the same data at the same time; try again', { cause });
  }
}
