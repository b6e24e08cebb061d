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
  async function* (request, { read, tails, principal, eventTypes, signal }: EventsQueryContext) {
    const part = feedPart(eventList(request.filter, eventTypes), eventTypes);
    const shown = shownTo(principal, request);
    const { tail, leave } = tails.join(read);
    try {
      const following = { after: request.afterSequence, part, signal, heartbeatMs: HEARTBEAT };
      for await (const { after, through, entry, caughtUp = false } of follow(tail, following)) {
        if (entry) yield entry.message(after, shown);
        else yield { afterSequence: after, throughSequence: through, caughtUp };
      }
    } finally {
      leave();
    }
  },
);
