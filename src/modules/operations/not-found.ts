import { Reason, ReasonSchema } from '#gen/operations/v1/reasons_pb.js';
import { domainError } from '../../kernel/bus/errors.ts';

export class ProjectionNotFound extends domainError(ReasonSchema, Reason.PROJECTION_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(name: string) {
    super('there is no such projection');
    this.resource = { type: 'operations.v1.Projection', name };
  }
}

export class ReactorNotFound extends domainError(ReasonSchema, Reason.REACTOR_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(name: string) {
    super('there is no such reactor');
    this.resource = { type: 'operations.v1.Reactor', name };
  }
}

export class ProcessorNotFound extends domainError(ReasonSchema, Reason.PROCESSOR_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(name: string) {
    super('no projection or reactor of this name reads the feed');
    this.resource = { type: 'operations.v1.Processor', name };
  }
}

export class RebuildNotFound extends domainError(ReasonSchema, Reason.REBUILD_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(id: string) {
    super('there was no such rebuild');
    this.resource = { type: 'operations.v1.Rebuild', name: id };
  }
}

export class DeadLetterNotFound extends domainError(ReasonSchema, Reason.DEAD_LETTER_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  /** `which` is the number of the event, or the id of its aggregate. */
  constructor(processor: string, which: string) {
    super('the processor has parked no such event');
    this.resource = { type: 'operations.v1.DeadLetter', name: `${processor}/${which}` };
  }
}

export class TimerNotFound extends domainError(ReasonSchema, Reason.TIMER_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(id: string) {
    super('there is no such timer: its command was done, or it was cancelled');
    this.resource = { type: 'operations.v1.Timer', name: id };
  }
}
