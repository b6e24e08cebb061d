import { Reason, ReasonSchema } from '#gen/audit/v1/reasons_pb.js';
import { domainError } from '../../../kernel/bus/errors.ts';
import type { Obstacle } from '../rerun/obstacle.ts';

export class CommandNotReplayable extends domainError(ReasonSchema, Reason.COMMAND_NOT_REPLAYABLE) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(cause: Obstacle) {
    super(`the command cannot be run again: ${PROBLEMS[cause]}`);
    this.metadata = { cause };
  }
}

const PROBLEMS: Readonly<Record<Obstacle, string>> = {
  NO_AGGREGATE: 'a command of the log changes no aggregate',
  METHOD_UNKNOWN: 'no rpc has its name',
  OUTCOME: 'how it ended did not depend on the command alone',
  REASON: 'the record does not hold what it was refused for',
  REQUEST_MISSING: 'its request is not on record',
  REQUEST_CUT: 'only an excerpt of its request is on record',
  REQUEST_OUTDATED: 'its request no longer fits the contract',
  PERSONAL_ERASED: 'the personal data of its request was erased, and the command changed nothing',
};
