import { hash, randomUUID } from 'node:crypto';
import { Code, createContextKey } from '@connectrpc/connect';
import type { Call } from '../bus/call.ts';
import { attemptKey, principalOf, traceKey } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { codeOf } from '../bus/error-code.ts';
import { DomainError } from '../bus/errors.ts';
import { networkOf } from '../bus/network.ts';
import { ownersOf, type RedactedMessage, redact } from '../bus/redaction.ts';
import { isStandInEmail } from '../bus/rerun.ts';
import { unitOfWorkKey } from '../database/write/unit-of-work.ts';
import { codeName } from '../telemetry/code-name.ts';
import type { Attempt, CommandRecord, Outcome, Target } from './command-record.ts';
import type { Refusal } from './refusal-tally.ts';

/** Names the record of a command, in its answer and in its error. */
export const COMMAND_ID_HEADER = 'cqrs-command-id';

/** How much of a request is recorded that did not come as far as its handler: it can be anything, of any size. */
const MAX_TEXT = 300;
const MAX_ITEMS = 20;
const MAX_REFUSED_REQUEST = 16_384;
/** Of what callers write about themselves. */
const MAX_HEADER = 300;

const OUTCOMES: Readonly<Record<Code, Outcome>> = {
  [Code.InvalidArgument]: 'invalid',
  [Code.OutOfRange]: 'invalid',
  [Code.Unauthenticated]: 'unauthenticated',
  [Code.PermissionDenied]: 'denied',
  [Code.NotFound]: 'rejected',
  [Code.AlreadyExists]: 'rejected',
  [Code.FailedPrecondition]: 'rejected',
  [Code.Aborted]: 'rejected',
  [Code.ResourceExhausted]: 'throttled',
  [Code.Unavailable]: 'failed',
  [Code.DeadlineExceeded]: 'timed_out',
  [Code.Canceled]: 'timed_out',
  [Code.Unimplemented]: 'failed',
  [Code.DataLoss]: 'failed',
  [Code.Internal]: 'failed',
  [Code.Unknown]: 'failed',
};

/** How a call ended, in the words of the log of commands. */
export function outcomeOf(error: unknown): Outcome {
  if (error === undefined) return 'succeeded';
  return error instanceof DomainError ? OUTCOMES[error.code] : 'failed';
}

/** Outcomes that a handler decides on. */
const KEEPING: ReadonlySet<Outcome> = new Set(['succeeded', 'rejected', 'unauthenticated']);

/** Outcomes that cost the caller nothing and the service little. */
const REFUSALS: ReadonlySet<Outcome> = new Set(['invalid', 'unauthenticated', 'denied', 'throttled']);

/** One command from its arrival to its record. */
export class CommandAttempt {
  readonly #call: Call;
  readonly #started = performance.now();
  /** What the unit of work came to, as far as there was one. */
  target: Target | undefined;
  /** It was rolled back on the caller's wish. */
  dryRun = false;
  /** The command whose answer was given again. */
  answeredBy: string | undefined;
  /** Its record committed with it. */
  isRecorded = false;
  /** It was refused like many others, and has no record of its own. */
  isCounted = false;

  constructor(call: Call) {
    this.#call = call;
  }

  /** What is known before the end. `whole`: the request is valid and can be run again. */
  attempt({ whole }: { whole: boolean }): Attempt {
    const call = this.#call;
    const { id, roles, session, issuer = '' } = principalOf(call);
    return {
      commandId: call.id,
      receivedAt: call.receivedAt,
      method: methodName(call.method),
      principal: storable(id),
      roles: roles.map(storable),
      session: storable(session),
      ...recordedRequest(call, whole),
      attempts: call.contextValues.get(attemptKey),
      durationUs: Math.round((performance.now() - this.#started) * 1000),
      traceId: call.contextValues.get(traceKey)?.traceId ?? '',
      peer: call.origin.peer,
      issuer: storable(issuer),
      userAgent: storable(call.headerValue('user-agent') ?? '').slice(0, MAX_HEADER),
    };
  }

  /** How it was refused, when it was and came from outside of this process: refusals can come in any number. */
  refusal(error: unknown): Refusal | undefined {
    const outcome = this.outcome(error);
    const { method, origin } = this.#call;
    if (!REFUSALS.has(outcome) || origin.peer === '') return undefined;
    return {
      method: methodName(method),
      outcome,
      code: codeName(codeOf(error)),
      reason: reasonOf(error),
      network: networkOf(origin.peer),
    };
  }

  /** The record of an end that no transaction carries. */
  record(error: unknown): CommandRecord {
    const outcome = this.outcome(error);
    const whole = outcome === 'succeeded' || outcome === 'rejected';
    const target = this.#storedTarget(error);
    const owners = this.#owners(outcome);
    const isOwned = this.#keepsPersonal(outcome) && (target !== undefined || owners.length > 0);
    return {
      ...this.attempt({ whole }),
      // The digest stays, and says that there was something.
      ...(!isOwned && { personal: null }),
      outcome,
      code: error === undefined ? 'OK' : codeName(codeOf(error)),
      reason: error === undefined ? '' : reasonOf(error),
      dryRun: this.dryRun,
      answeredBy: this.answeredBy,
      target,
      owners,
    };
  }

  /** What is personal is not kept of a request that no handler looked at, that broke a rule, or that was only tried. */
  #keepsPersonal(outcome: Outcome): boolean {
    const { contextValues } = this.#call;
    return KEEPING.has(outcome) && !this.dryRun && contextValues.get(unitOfWorkKey) !== undefined;
  }

  /** By which names what is personal is found, beside the target: a command about one person can hold the address of another. */
  #owners(outcome: Outcome): readonly string[] {
    if (!this.#keepsPersonal(outcome)) return [];
    return ownersOf(this.#call.method.input, this.#call.request).filter((name) => !isStandInEmail(name));
  }

  outcome(error: unknown): Outcome {
    return error === undefined && this.answeredBy !== undefined ? 'replayed' : outcomeOf(error);
  }

  /** Nothing was changed, and an aggregate that was not stored does not exist. */
  #storedTarget(error: unknown): Target | undefined {
    if (!this.target) return undefined;
    if (error === undefined) return { ...this.target, eventIds: [] };
    return this.target.versionBefore === undefined ? undefined : { ...this.target, versionAfter: undefined, eventIds: [] };
  }
}

export const commandAttemptKey = createContextKey<CommandAttempt | undefined>(undefined, { description: 'command attempt' });

const reasonOf = (error: unknown): string => (error instanceof DomainError ? error.reason : 'INTERNAL');

/** PostgreSQL stores every character but this one. */
const storable = (text: string): string => text.replaceAll('\0', '\u{FFFD}').toWellFormed();

type RecordedRequest = Pick<Attempt, 'request' | 'requestExcerpt' | 'personal' | 'personalDigest'>;

function recordedRequest({ method, request }: Call, whole: boolean): RecordedRequest {
  const redacted = redactedOf(() => redact(method.input, request));
  if (!redacted) return { request: null, requestExcerpt: false, personal: null, personalDigest: null };
  const write = whole ? JSON.stringify : excerpt;
  const message = write(redacted.message);
  const fields = redacted.personal && write(redacted.personal);
  const requestExcerpt = !whole && (isCut(message, redacted.message) || isCut(fields, redacted.personal));
  if (!fields) return { request: message, requestExcerpt, personal: null, personalDigest: null };
  const personal = `{"salt":"${randomUUID()}","fields":${fields}}`;
  return { request: message, requestExcerpt, personal, personalDigest: hash('sha256', personal, 'buffer') };
}

const isCut = (text: string | undefined, value: unknown): boolean => text !== JSON.stringify(value);

/** A request that has no JSON form breaks a rule of its contract. */
function redactedOf(make: () => RedactedMessage): RedactedMessage | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'string' && part.length > MAX_TEXT) return `${part.slice(0, MAX_TEXT)}… (${part.length} characters)`;
    if (Array.isArray(part) && part.length > MAX_ITEMS) return [...part.slice(0, MAX_ITEMS), `… (${part.length} items)`];
    return part;
  });
  return text.length > MAX_REFUSED_REQUEST ? `{"@characters":${text.length}}` : text;
}
