import { Reason, ReasonSchema } from '#gen/events/v1/reasons_pb.js';
import { domainError } from '../../kernel/bus/errors.ts';

type Resource = { readonly type: string; readonly name: string };
const resourceOf = (name: string): Resource => ({ type: 'events.v1.Subscription', name });

export class SubscriptionNotFound extends domainError(ReasonSchema, Reason.SUBSCRIPTION_NOT_FOUND) {
  override readonly resource: Resource;
  constructor(name: string) {
    super('there is no such subscription');
    this.resource = resourceOf(name);
  }
}

export class SubscriptionNameTaken extends domainError(ReasonSchema, Reason.SUBSCRIPTION_NAME_TAKEN) {
  override readonly resource: Resource;
  constructor(name: string) {
    super('another principal has a subscription of this name');
    this.resource = resourceOf(name);
  }
}

export class SubscriptionTakenOver extends domainError(ReasonSchema, Reason.SUBSCRIPTION_TAKEN_OVER) {
  constructor() {
    super('the subscription has another consumer now');
  }
}

export class SequenceNotReached extends domainError(ReasonSchema, Reason.SEQUENCE_NOT_REACHED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(lastSequence: bigint) {
    super(`the feed ends at ${lastSequence}`);
    this.metadata = { last_sequence: String(lastSequence) };
  }
}
