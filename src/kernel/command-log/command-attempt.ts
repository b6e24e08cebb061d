import { hash, randomUUID } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import { Code, createContextKey } from '@connectrpc/connect';
import type { Answer } from '../bus/answer.ts';
import type { Call, Message } from '../bus/call.ts';
import { causeKey, principalOf, traceKey } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { failureOf } from '../bus/failure.ts';
import { networkOf } from '../bus/network.ts';
import { ownersOf, type RedactedMessage, redact } from '../bus/redaction.ts';
import { isStandInEmail } from '../bus/rerun.ts';
import type { Claim } from '../database/write/idempotency-keys.ts';
import { type CommandEnding, unitOfWorkKey } from '../database/write/unit-of-work.ts';
import { codeName } from '../telemetry/code-name.ts';
import type { Attempt, CommandRecord, Outcome, Target } from './command-record.ts';
import type { Refusal, RefusalTally } from './refusal-tally.ts';

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
export const outcomeOf = (error: unknown): Outcome => (error === undefined ? 'succeeded' : OUTCOMES[failureOf(error).code]);

/** Outcomes that a handler decides on. */
const KEEPING: ReadonlySet<Outcome> = new Set(['succeeded', 'rejected', 'unauthenticated']);

/** Outcomes that cost the caller nothing and the service little. */
const REFUSALS: ReadonlySet<Outcome> = new Set(['invalid', 'unauthenticated', 'denied', 'throttled']);

/**
 * Everything that is known of a command under way, from its arrival to its record. Who takes the command in makes it: the recording middleware, or
 * a rerun. What it says of the end follows from what it is asked with, an answer or an error, and from the unit of work of the last try.
 */
export class CommandAttempt {
  /** The command is tried and rolled back. */
  readonly dryRun: boolean;
  readonly #call: Call;
  readonly #started = performance.now();
  #tries = 0;
  #claim: Claim | undefined;
  #isCounted = false;

  constructor(call: Call, { dryRun }: { dryRun: boolean }) {
    this.#call = call;
    this.dryRun = dryRun;
  }

  /** How often the handler was run, or is about to be for the first time. */
  get tries(): number {
    return this.#tries || 1;
  }

  /** Counts the next run of the handler, which takes the ids of the command again from the first. Returns its number. */
  startTry(): number {
    this.#call.startTry();
    this.#tries += 1;
    return this.#tries;
  }

  /** What the command is about, as far as its unit of work has come to that. */
  get target(): Target | undefined {
    return this.#call.contextValues.get(unitOfWorkKey)?.target;
  }

  /** It was refused like many others, and has no record of its own. */
  get isCounted(): boolean {
    return this.#isCounted;
  }

  /** The command whose answer is given again; undefined for an answer of its own. */
  replayed(answer: Answer | undefined): string | undefined {
    const commandId = answer?.commandId;
    return commandId === this.#call.id ? undefined : commandId;
  }

  /** The key under which the command happens once, to be stored together with what it does. */
  holdKey(claim: Claim): void {
    this.#claim = claim;
  }

  /** The key that the unit of work has to look for. One that comes with a secret was looked for before that was hashed. */
  get soughtKey(): Claim | undefined {
    return this.#claim?.secret === undefined ? this.#claim : undefined;
  }

  /** What the unit of work stores of a command that succeeds. */
  ending({ method, message }: Answer<Message>): CommandEnding {
    const claim = this.#claim;
    return {
      attempt: this.#described({ whole: true }),
      claim: claim && { ...claim, response: Buffer.from(toBinary(method.output, message)) },
    };
  }

  /** The record of an answer that no transaction has recorded. */
  answered(answer: Answer): CommandRecord {
    return this.#record(undefined, this.replayed(answer));
  }

  /** Whether the failure is counted instead of recorded: refusals from outside of this process come in any number. */
  countedBy(refusals: Pick<RefusalTally, 'admit'>, error: unknown): boolean {
    const refusal = this.#refusal(error);
    this.#isCounted = refusal !== undefined && !refusals.admit(refusal);
    return this.#isCounted;
  }

  /** The record of a failure. */
  failed(error: unknown): CommandRecord {
    return this.#record(error, undefined);
  }

  outcome(error: unknown, answer: Answer | undefined): Outcome {
    return error === undefined && this.replayed(answer) !== undefined ? 'replayed' : outcomeOf(error);
  }

  /** What is known before the end. `whole`: the request is valid and can be run again. */
  #described({ whole }: { whole: boolean }): Attempt {
    const call = this.#call;
    const { id, roles, session, issuer = '' } = principalOf(call);
    const cause = call.contextValues.get(causeKey);
    return {
      commandId: call.id,
      receivedAt: call.receivedAt,
      method: methodName(call.method),
      principal: storable(id),
      roles: roles.map(storable),
      session: storable(session),
      ...recordedRequest(call, whole),
      attempts: this.tries,
      durationUs: Math.round((performance.now() - this.#started) * 1000),
      traceId: call.contextValues.get(traceKey)?.traceId ?? '',
      peer: call.origin.peer,
      issuer: storable(issuer),
      userAgent: storable(call.headerValue('user-agent') ?? '').slice(0, MAX_HEADER),
      causationId: cause?.eventId ?? null,
      correlationId: cause?.correlationId ?? null,
    };
  }

  #refusal(error: unknown): Refusal | undefined {
    const outcome = outcomeOf(error);
    const { method, origin } = this.#call;
    if (!REFUSALS.has(outcome) || origin.peer === '') return undefined;
    const { code, reason } = failureOf(error);
    return { method: methodName(method), outcome, code: codeName(code), reason, network: networkOf(origin.peer) };
  }

  #record(error: unknown, answeredBy: string | undefined): CommandRecord {
    const outcome = answeredBy === undefined ? outcomeOf(error) : 'replayed';
    const { code, reason } = error === undefined ? { code: undefined, reason: '' } : failureOf(error);
    const target = this.#storedTarget(error);
    const owners = this.#owners(outcome);
    const isOwned = this.#keepsPersonal(outcome) && (target !== undefined || owners.length > 0);
    return {
      ...this.#described({ whole: outcome === 'succeeded' || outcome === 'rejected' }),
      // The digest stays, and says that there was something.
      ...(!isOwned && { personal: null }),
      outcome,
      code: codeName(code),
      reason,
      dryRun: this.dryRun,
      answeredBy,
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

  /** Nothing was changed, and an aggregate that was not stored does not exist. */
  #storedTarget(error: unknown): Target | undefined {
    const { target } = this;
    if (!target) return undefined;
    if (error === undefined) return { ...target, eventIds: [] };
    return target.versionBefore === undefined ? undefined : { ...target, versionAfter: undefined, eventIds: [] };
  }
}

export const commandAttemptKey = createContextKey<CommandAttempt | undefined>(undefined, { description: 'command attempt' });

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
