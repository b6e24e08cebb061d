import { ok } from 'neverthrow';
import { QueryService } from '#gen/operations/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { shownAs, timerPage, toTimer } from '../read-model/timers.ts';
import type { OperationsQueryContext } from './context.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

const BEGINNING = ['-infinity', '00000000-0000-0000-0000-000000000000'];

/** Returns commands that are sent later, page by page: those that are due first come first. */
export const listTimers = query(
  QueryService.method.listTimers,
  async ({ process, state, pageSize, pageToken }, { read, pageTokens }: OperationsQueryContext) => {
    const shown = shownAs(state);
    const identity = ['operations.v1.ListTimers', process, shown ?? ''];
    const size = Math.min(pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
    const [afterTime, afterId] = pageToken ? pageTokens.open(identity, pageToken) : BEGINNING;

    // One row more than the page tells whether there is another page.
    const rows = await read.rows(timerPage, [process || null, shown, afterTime, afterId, size + 1]);
    const page = rows.slice(0, size);
    const last = page.at(-1);
    return ok({
      timers: page.map(toTimer),
      nextPageToken: last && rows.length > size ? pageTokens.seal(identity, [last.due_at.toISOString(), last.id]) : '',
    });
  },
);
