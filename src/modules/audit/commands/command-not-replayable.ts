import { DomainError } from '../../../kernel/bus/errors.ts';
import type { Obstacle } from '../replay/not-replayable.ts';

/**
 * The record does not hold what is needed to run the command again. `cause` says what: `NO_AGGREGATE` (a command of the log itself),
 * `OUTCOME` or `REASON` (it ended by time, load, a defect, a token, a header, a collision or an earlier answer), `REQUEST_MISSING`,
 * `REQUEST_CUT`, `REQUEST_OUTDATED` or `PERSONAL_ERASED` (the request), `METHOD_UNKNOWN` (the rpc is gone).
 */
export class CommandNotReplayable extends DomainError {
  readonly reason = 'COMMAND_NOT_REPLAYABLE';
  readonly kind = 'precondition';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(cause: Obstacle) {
    super(`the command cannot be run again: ${PROBLEMS[cause]}`);
    this.metadata = { cause };
  }
}

const PROBLEMS: Readonly<Record<Obstacle, string>> = {
  NO_AGGREGATE: 'a command of the log changes no aggregate',
  METHOD_UNKNOWN: 'no rpc has its name',
  OUTCOME: 'how it ended did not depend on it alone',
  REASON: 'what it was refused for is not on record',
  REQUEST_MISSING: 'its request is not on record',
  REQUEST_CUT: 'only an excerpt of its request is on record',
  REQUEST_OUTDATED: 'its request is no message of the contract any more',
  PERSONAL_ERASED: 'what was personal in its request was erased, and it changed nothing',
};
