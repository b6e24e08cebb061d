/** How an attempted command ended, as stored in cqrs.command_log. */
export type Outcome =
  | 'succeeded'
  | 'rejected'
  | 'denied'
  | 'unauthenticated'
  | 'invalid'
  | 'timed_out'
  | 'failed'
  | 'throttled'
  | 'replayed';

/** What was tried: the part of a record that is known before the end. */
export interface Attempt {
  /** UUIDv7. */
  readonly commandId: string;
  /** The time in `commandId`. */
  readonly receivedAt: Date;
  readonly method: string;
  readonly principal: string;
  readonly roles: readonly string[];
  /** The log-in that the caller's token came from; empty where there is none. */
  readonly session: string;
  /** JSON text without secrets and without what is personal; null when the request has no JSON form. */
  readonly request: string | null;
  /** Whether `request` and `personal` hold less than was sent: long texts and lists were cut, or it stands for many requests. */
  readonly requestExcerpt: boolean;
  /** JSON text of `{ salt, fields }`; null when nothing is personal. */
  readonly personal: string | null;
  /** SHA-256 of `personal`: what a seal covers, so that `personal` can be erased. */
  readonly personalDigest: Buffer | null;
  readonly attempts: number;
  readonly durationUs: number;
  readonly traceId: string;
  readonly peer: string;
  readonly userAgent: string;
  /** Who vouched for the principal: the `iss` of the token; empty where there was none. */
  readonly issuer: string;
  /** The event to which a reactor reacted with this command; null for a command of a caller. */
  readonly causationId: string | null;
  /** The first command of the chain that this one belongs to; null for a first one. */
  readonly correlationId: string | null;
}

/** The one aggregate that a command was about, as far as it came to that. */
export interface Target {
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** Undefined for a new aggregate. */
  readonly versionBefore: number | undefined;
  /** Undefined when it was not changed. */
  readonly versionAfter: number | undefined;
  readonly eventIds: readonly string[];
}

/** One row of cqrs.command_log: see `RECORD_COLUMNS`. */
export interface CommandRecord extends Attempt {
  readonly outcome: Outcome;
  /** The name of the gRPC code. */
  readonly code: string;
  readonly reason: string;
  readonly dryRun: boolean;
  /** Outcome `replayed`: the command whose answer was given again. */
  readonly answeredBy: string | undefined;
  readonly target: Target | undefined;
  /** No column: names of the people whose personal data the record holds, beside its target. See `OwnerDigest`. */
  readonly owners: readonly string[];
}
