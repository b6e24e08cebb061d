import { ok } from 'neverthrow';
import { QueryService } from '#gen/operations/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { deadLetterPage, toDeadLetter } from '../read-model/dead-letters.ts';
import type { OperationsQueryContext } from './context.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/** Answers parked events page by page: by processor, and the oldest first. */
export const listDeadLetters = query(
  QueryService.method.listDeadLetters,
  async ({ processor, pageSize, pageToken }, { read, pageTokens }: OperationsQueryContext) => {
    const identity = ['operations.v1.ListDeadLetters', processor];
    const size = Math.min(pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
    const [afterProcessor = '', afterSequence = '0'] = pageToken ? pageTokens.open(identity, pageToken) : [];

    // One row more than the page tells whether there is another page.
    const rows = await read.rows(deadLetterPage, [processor || null, afterProcessor, afterSequence, size + 1]);
    const page = rows.slice(0, size);
    const last = page.at(-1);
    return ok({
      deadLetters: page.map(toDeadLetter),
      nextPageToken: last && rows.length > size ? pageTokens.seal(identity, [last.processor, last.sequence]) : '',
    });
  },
);
