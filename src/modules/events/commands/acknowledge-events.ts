import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/events/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { SequenceNotReached, SubscriptionNotFound } from '../subscription-errors.ts';
import type { EventsCommandContext } from './context.ts';

/** Moves the place of a subscription forward. */
export const acknowledgeEvents = command(
  CommandService.method.acknowledgeEvents,
  async ({ subscription: name, sequence }, { subscriptions, now }: EventsCommandContext) => {
    const last = await subscriptions.lastSequence();
    if (sequence > last) return err(new SequenceNotReached(last));

    const acknowledgedSequence = await subscriptions.acknowledge(name, sequence, now);
    return acknowledgedSequence === undefined ? err(new SubscriptionNotFound(name)) : ok({ acknowledgedSequence });
  },
);
