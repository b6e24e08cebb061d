import { ok } from 'neverthrow';
import { QueryService } from '#gen/events/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { eventList } from '../read-model/event-list.ts';
import { toEvent } from '../read-model/feed-event.ts';
import { feedPage } from '../read-model/feed-pages.ts';
import type { EventsQueryContext } from './context.ts';
import { shownTo } from './shown-to.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/** Returns events page by page, in the order of the feed. */
export const listEvents = query(
  QueryService.method.listEvents,
  async (request, { read, principal, pageTokens, eventTypes }: EventsQueryContext) => {
    const { filter, afterSequence } = request;
    const list = eventList(filter, eventTypes);
    const shown = shownTo(principal, request);
    const identity = ['events.v1.ListEvents', list, String(afterSequence), shown.json];
    const limit = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
    const [place] = request.pageToken ? pageTokens.open(identity, request.pageToken) : [];

    const { rows, through, hasMore } = await feedPage(read, list, { after: place ? BigInt(place) : afterSequence, limit });
    return ok({
      events: rows.map((row) => toEvent(row, eventTypes, shown)),
      nextPageToken: hasMore ? pageTokens.seal(identity, [String(through)]) : '',
      throughSequence: through,
    });
  },
);
