import type { JsonValue } from '@bufbuild/protobuf';
import { type CommandRecord, Outcome } from '#gen/audit/v1/command_record_pb.js';
import { CommandService } from '#gen/audit/v1/command_service_pb.js';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';

/** Why a recorded command cannot be run again. */
export type Obstacle =
  /** It is a command of the log itself and changes no aggregate. */
  | 'NO_AGGREGATE'
  /** No rpc has its name any more. */
  | 'METHOD_UNKNOWN'
  /** It ended by what was not on its own: time, load, a defect, an answer given before. */
  | 'OUTCOME'
  /** It was refused for a token, a header or a collision, which are not on record. */
  | 'REASON'
  /** The request has no JSON form and is not on record. */
  | 'REQUEST_MISSING'
  /** Of a request that was refused, long texts and lists were cut. */
  | 'REQUEST_CUT'
  /** The request is no message of today's contract. */
  | 'REQUEST_OUTDATED'
  /** It changed nothing, and whether it would have cannot be told without what was erased. */
  | 'PERSONAL_ERASED';

const OUTCOMES: ReadonlySet<Outcome> = new Set([Outcome.TIMED_OUT, Outcome.FAILED, Outcome.THROTTLED, Outcome.REPLAYED]);

const REASONS: ReadonlySet<string> = new Set(
  [
    Reason.TOKEN_MISSING,
    Reason.TOKEN_INVALID,
    Reason.DRY_RUN_INVALID,
    Reason.DRY_RUN_REFUSED,
    Reason.HEADER_INVALID,
    Reason.GUESSES_EXHAUSTED,
    Reason.IDEMPOTENCY_KEY_INVALID,
    Reason.IDEMPOTENCY_KEY_REFUSED,
    Reason.IDEMPOTENCY_KEY_REUSED,
    Reason.ANSWER_ERASED,
    Reason.CONFLICT,
  ].map((reason) => Reason[reason]),
);

/** What stands against running the command again, as far as its record tells; undefined when nothing does. */
export function obstacleOf(command: CommandRecord): Obstacle | undefined {
  if (command.method.startsWith(`${CommandService.typeName}/`)) return 'NO_AGGREGATE';
  if (OUTCOMES.has(command.outcome)) return 'OUTCOME';
  if (REASONS.has(command.reason)) return 'REASON';
  if (!command.request) return 'REQUEST_MISSING';
  if (isExcerpt(command)) return 'REQUEST_CUT';
  const changedNothing = command.outcome === Outcome.SUCCEEDED && command.versionAfter === undefined;
  return command.personalErased && changedNothing ? 'PERSONAL_ERASED' : undefined;
}

/** Records from before `request_excerpt` was kept say it only by the marks that the bus left in the texts, which a caller can write as well. */
function isExcerpt({ requestExcerpt, outcome, request }: CommandRecord): boolean {
  return requestExcerpt ?? (outcome !== Outcome.SUCCEEDED && outcome !== Outcome.REJECTED && isMarked(request ?? {}));
}

/** The marks of `CommandAttempt` and `RefusalTally`. */
function isMarked(value: JsonValue): boolean {
  if (typeof value === 'string') return /… \(\d+ (characters|items)\)$/.test(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '@characters') || Object.hasOwn(value, '@refused') || Object.values(value).some(isMarked);
}
