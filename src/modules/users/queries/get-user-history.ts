import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { actorsOf, eventsBefore, NEWEST, toHistoryEntry } from '../read-model/user-history.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersQueryContext } from './context.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/** Returns what happened to a user, the newest first, with who did it. */
export const getUserHistory = query(
  QueryService.method.getUserHistory,
  async (request, { read, pageTokens, eventTypes }: UsersQueryContext) => {
    const identity = ['users.v1.GetUserHistory', request.userId.toLowerCase()];
    const size = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
    const [before = NEWEST] = request.pageToken ? pageTokens.open(identity, request.pageToken) : [];

    // One row more than the page tells whether there is another page.
    const rows = await read.page(eventsBefore, size + 1, [request.userId, before, size + 1]);
    if (rows.length === 0) return err(new UserNotFound(request.userId));
    const page = rows.slice(0, size);
    const commands = await read.rows(actorsOf([...new Set(page.map(({ command_id }) => command_id))]));
    const actors = new Map(commands.map(({ command_id, principal }) => [command_id, principal]));
    const last = page.at(-1);
    return ok({
      entries: page.map((row) => toHistoryEntry(row, { actor: actors.get(row.command_id), eventTypes })),
      nextPageToken: last && rows.length > size ? pageTokens.seal(identity, [last.position]) : '',
    });
  },
);
