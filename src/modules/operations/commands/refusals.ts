import { Reason, ReasonSchema } from '#gen/operations/v1/reasons_pb.js';
import { domainError } from '../../../kernel/bus/errors.ts';

export class ProjectionInline extends domainError(ReasonSchema, Reason.PROJECTION_INLINE) {
  constructor() {
    super('the projection is written in the transaction of each command: it cannot be paused');
  }
}

export class ProjectionNotRebuildable extends domainError(ReasonSchema, Reason.PROJECTION_NOT_REBUILDABLE) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(projection: string) {
    super(`the tables of ${projection} cannot be made again from what is stored`);
    this.metadata = { projection };
  }
}

export class RebuildUnderWay extends domainError(ReasonSchema, Reason.REBUILD_UNDER_WAY) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(rebuildId: string) {
    super(`the projection is being rebuilt or verified already, by ${rebuildId}: wait for it, or cancel it`);
    this.metadata = { rebuild_id: rebuildId };
  }
}

export class RebuildNotRunning extends domainError(ReasonSchema, Reason.REBUILD_NOT_RUNNING) {
  constructor() {
    super('the projection is neither being rebuilt nor verified');
  }
}

export class TimerNotFailed extends domainError(ReasonSchema, Reason.TIMER_NOT_FAILED) {
  constructor() {
    super('the timer has not failed: its command is sent when it is due');
  }
}
