import { create, type Registry } from '@bufbuild/protobuf';
import { type Event, EventSchema } from '#gen/events/v1/event_pb.js';
import { type SubscribeEventsResponse, SubscribeEventsResponseSchema } from '#gen/events/v1/query_service_pb.js';
import type { Part } from '../../../kernel/feed/follow.ts';
import type { Entry, List } from '../../../kernel/feed/tail.ts';
import { type EventList, isWhole } from './event-list.ts';
import { type FeedRow, type Shown, toEvent } from './feed-event.ts';
import { feedPage, lastSequence } from './feed-pages.ts';

/** Most events that are read at once. */
const FEED_PAGE = 250;

/** What an entry takes beside its payload, about, in bytes. */
const OVERHEAD = 500;

/** An event of the feed. What is sent of it is made once for all who are shown the same. */
export class FeedEntry implements Entry {
  readonly place: bigint;
  readonly #row: FeedRow;
  readonly #eventTypes: Registry;
  readonly #events = new Map<number, Event>();
  readonly #messages = new Map<number, SubscribeEventsResponse>();

  constructor(row: FeedRow, eventTypes: Registry) {
    this.place = BigInt(row.sequence);
    this.#row = row;
    this.#eventTypes = eventTypes;
  }

  get bytes(): number {
    return OVERHEAD + this.#row.payload.length + (this.#row.personal?.length ?? 0);
  }

  isOn({ types, aggregateType, aggregateId }: EventList): boolean {
    const row = this.#row;
    if (types !== undefined && !types.includes(row.type)) return false;
    if (aggregateType !== undefined && aggregateType !== row.aggregate_type) return false;
    return aggregateId === undefined || aggregateId === row.aggregate_id;
  }

  /** The message about the places behind `after`, up to this event. */
  message(after: bigint, shown: Shown): SubscribeEventsResponse {
    if (after !== this.place - 1n) return this.#make(after, shown);
    const form = formOf(shown);
    let message = this.#messages.get(form);
    if (!message) {
      message = this.#make(after, shown);
      this.#messages.set(form, message);
    }
    return message;
  }

  #make(afterSequence: bigint, shown: Shown): SubscribeEventsResponse {
    return create(SubscribeEventsResponseSchema, { afterSequence, throughSequence: this.place, event: this.#event(shown) });
  }

  #event(shown: Shown): Event {
    const form = formOf(shown);
    let event = this.#events.get(form);
    if (!event) {
      event = create(EventSchema, toEvent(this.#row, this.#eventTypes, shown));
      this.#events.set(form, event);
    }
    return event;
  }
}

const formOf = ({ personal, json }: Shown): number => (personal ? 1 : 0) + (json ? 2 : 0);

/** The feed, as it is followed. */
export const feedList = (eventTypes: Registry): List<FeedEntry> => ({
  pageSize: FEED_PAGE,
  size: ({ bytes }) => bytes,
  last: async (read) => {
    const [state] = await read.rows(lastSequence);
    return BigInt(state?.last_sequence ?? 0);
  },
  page: async (read, after) => {
    const { rows, through } = await feedPage(read, {}, { after, limit: FEED_PAGE });
    return { entries: rows.map((row) => new FeedEntry(row, eventTypes)), end: through };
  },
});

/** What a follower of a filtered list wants; undefined for one that wants all. */
export function feedPart(list: EventList, eventTypes: Registry): Part<FeedEntry> | undefined {
  if (isWhole(list)) return undefined;
  return {
    name: JSON.stringify([list.types, list.aggregateType, list.aggregateId]),
    has: (entry) => entry.isOn(list),
    page: async (read, after, end) => {
      const { rows, through } = await feedPage(read, list, { after, end, limit: FEED_PAGE });
      return { entries: rows.map((row) => new FeedEntry(row, eventTypes)), end: through };
    },
  };
}
