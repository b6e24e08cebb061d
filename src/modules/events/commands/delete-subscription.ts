import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/events/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { SubscriptionNotFound } from '../subscription-errors.ts';
import type { EventsCommandContext } from './context.ts';

/** Forgets a subscription and its place. */
export const deleteSubscription = command(
  CommandService.method.deleteSubscription,
  async ({ subscription: name }, { subscriptions }: EventsCommandContext) =>
    (await subscriptions.remove(name)) ? ok({}) : err(new SubscriptionNotFound(name)),
);
