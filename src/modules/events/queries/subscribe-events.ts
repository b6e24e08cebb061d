import { QueryService } from '#gen/events/v1/query_service_pb.js';
import { streamQuery } from '../../../kernel/bus/query.ts';
import { follow } from '../../../kernel/feed/follow.ts';
import { eventList } from '../read-model/event-list.ts';
import { feedPart } from '../read-model/feed-entry.ts';
import type { EventsQueryContext } from './context.ts';
import { shownTo } from './shown-to.ts';

/** How long a stream may be silent, in milliseconds. */
const HEARTBEAT = 10_000;

/** Sends events in the order of the feed, and goes on with new ones as they get their numbers. */
export const subscribeEvents = streamQuery(
  QueryService.method.subscribeEvents,
  async function* (request, { read, tails, consume, principal, eventTypes, signal }: EventsQueryContext) {
    const part = feedPart(eventList(request.filter, eventTypes), eventTypes);
    const shown = shownTo(principal, request);
    const consuming = request.subscription === '' ? undefined : await consume(request.subscription, request.consumer);
    const { tail, leave } = tails.join(read);
    try {
      const after = consuming?.place ?? request.afterSequence;
      for await (const span of follow(tail, { after, part, signal, heartbeatMs: HEARTBEAT })) {
        if (span.entry) yield span.entry.message(span.after, shown);
        else yield { afterSequence: span.after, throughSequence: span.through, caughtUp: span.caughtUp ?? false };
      }
    } finally {
      leave();
      consuming?.leave();
    }
  },
);
