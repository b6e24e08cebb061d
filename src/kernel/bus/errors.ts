/** What went wrong, in words free of any transport; `middleware/errors.ts` is the one place that maps them to codes. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'denied'
  | 'not-found'
  | 'already-exists'
  | 'precondition'
  | 'conflict'
  | 'too-large'
  | 'overloaded'
  | 'unavailable'
  | 'deadline'
  | 'canceled'
  | 'unimplemented'
  | 'data-loss'
  | 'internal'
  | 'unknown';

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
 * `reason` is stable for ever (AIP-193). Every part of the message that varies is also in `metadata`; neither may hold a secret.
 * The docstring of the class tells callers what the reason means and what they can do: docs/errors.md is made of it.
 */
export abstract class DomainError extends Error {
  abstract readonly reason: string;
  abstract readonly kind: ErrorKind;
  /** The proto package the reason belongs to; undefined is the package of the rpc that was called. */
  readonly domain: string | undefined = undefined;
  readonly metadata: Readonly<Record<string, string>> = {};
  /** Kind `invalid`: what is wrong with which field. */
  readonly violations: readonly FieldViolation[] = [];
  /** Kinds `not-found` and `already-exists`: what was looked for. */
  readonly resource: { readonly type: string; readonly name: string } | undefined = undefined;
  /** Kinds `overloaded` and `unavailable`: when to come back. */
  readonly retryAfterMs: number | undefined = undefined;

  override get name(): string {
    return this.constructor.name;
  }
}

/** A reason of the bus itself and not of one module. */
export abstract class BusError extends DomainError {
  override readonly domain = 'cqrs.v1';
}

/** The request breaks rules of its contract. All of them are listed, each with its field: correct these. */
export class InvalidRequest extends BusError {
  readonly reason = 'INVALID_REQUEST';
  readonly kind = 'invalid';
  override readonly violations: readonly FieldViolation[];
  constructor(violations: readonly FieldViolation[]) {
    super(violations.map(({ field, description }) => (field ? `${field}: ${description}` : description)).join('; '));
    this.violations = violations;
  }
}

/** What was received is no message of the rpc's request type: broken bytes, or JSON with a wrong type or an unknown field. */
export class MalformedRequest extends BusError {
  readonly reason = 'MALFORMED_REQUEST';
  readonly kind = 'invalid';
  constructor(cause?: unknown, message = 'the request is not a valid message of its type') {
    super(message, { cause });
  }
}

/**
 * The caller's deadline passed before the call was done. A command is rolled back, except when its commit was under way: read before
 * sending it again.
 */
export class DeadlinePassed extends BusError {
  readonly reason = 'DEADLINE_PASSED';
  readonly kind = 'deadline';
  constructor() {
    super('the deadline passed before the call was done');
  }
}

/** The caller canceled the call. A command is rolled back, except when its commit was under way. */
export class CallCanceled extends BusError {
  readonly reason = 'CALL_CANCELED';
  readonly kind = 'canceled';
  constructor() {
    super('the caller canceled the call');
  }
}

/** Too many calls are waiting for the `resource` already. Nothing was done: send it again after the delay. */
export class Overloaded extends BusError {
  readonly reason = 'OVERLOADED';
  readonly kind = 'overloaded';
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

/** The caller called more often than the class of the rpc allows in a period. */
export class RateLimited extends BusError {
  readonly reason = 'RATE_LIMITED';
  readonly kind = 'overloaded';
  override readonly retryAfterMs: number;
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(rateClass: string, retryAfterMs: number) {
    super(`too many calls of the class ${rateClass}`);
    this.metadata = { class: rateClass };
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Too many guesses in a row were wrong, of this client or of clients like it; the service did not look at this one. Wait before the next.
 */
export class GuessesThrottled extends BusError {
  readonly reason = 'GUESSES_THROTTLED';
  readonly kind = 'overloaded';
  override readonly retryAfterMs: number;
  constructor(retryAfterMs: number) {
    super('too many wrong attempts in a row; wait before the next');
    this.retryAfterMs = Math.ceil(retryAfterMs);
  }
}

/**
 * A hundred guesses in a row were wrong, and the service looks at no more of them, right or wrong. A device or a network that was right
 * before still comes in. Everybody else needs an operator: `UnlockPassword`.
 */
export class GuessesExhausted extends BusError {
  readonly reason = 'GUESSES_EXHAUSTED';
  readonly kind = 'precondition';
  constructor() {
    super('a hundred attempts in a row were wrong; an operator has to unlock the password');
  }
}

/**
 * The database cannot be reached, is starting or stopping, has no room left, or took too long. A query can be sent again after the
 * delay; so can a command, but it may have been done when the connection broke during its commit.
 */
export class DatabaseUnavailable extends BusError {
  readonly reason = 'DATABASE_UNAVAILABLE';
  readonly kind = 'unavailable';
  override readonly retryAfterMs = 1000;
  constructor(cause?: unknown) {
    super('the database is not available', { cause });
  }
}

/** Other commands on the same data kept winning. Nothing was done: send it again. */
export class Conflict extends BusError {
  readonly reason = 'CONFLICT';
  readonly kind = 'conflict';
  constructor(cause?: unknown) {
    super('other commands changed the same data at the same time; try again', { cause });
  }
}
