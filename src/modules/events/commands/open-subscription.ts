import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/events/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { SequenceNotReached, SubscriptionNameTaken } from '../subscription-errors.ts';
import type { EventsCommandContext } from './context.ts';

/** Makes the caller the consumer of a subscription, and makes the subscription if it is missing. */
export const openSubscription = command(
  CommandService.method.openSubscription,
  async ({ subscription: name, afterSequence }, { subscriptions, principal, newId, now }: EventsCommandContext) => {
    const last = await subscriptions.lastSequence();
    const place = afterSequence ?? last;
    if (place > last) return err(new SequenceNotReached(last));

    const consumer = newId();
    const mayTakeAny = principal.permissions.has('events.write');
    const acknowledgedSequence = await subscriptions.open({ name, principal: principal.id, mayTakeAny, consumer, place, now });
    return acknowledgedSequence === undefined ? err(new SubscriptionNameTaken(name)) : ok({ consumer, acknowledgedSequence });
  },
);
