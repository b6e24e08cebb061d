import type { MessageInitShape } from '@bufbuild/protobuf';
import type pg from 'pg';
import type {
  GetUserRequest,
  GetUserResponseSchema,
  ListUsersRequest,
  ListUsersResponseSchema,
} from '../../../gen/users/v1/query_service_pb.js';
import { foldedText } from '../../../src/kernel/bus/folded-text.ts';
import { FIRST_PAGE, GET_USER, NUMBER_OF_USERS, PAGE_BEHIND, SEARCH_COLLECTED, SEARCH_PASSING } from './statements.ts';
import { toUser, type UserRow } from './user-message.ts';

/** The queries that are measured, by hand, from the replica. */
export interface QueriesByHand {
  readonly getUser: (request: GetUserRequest) => Promise<MessageInitShape<typeof GetUserResponseSchema>>;
  readonly listUsers: (request: ListUsersRequest) => Promise<MessageInitShape<typeof ListUsersResponseSchema>>;
}

/** With more users, one in 132 of them are more than the service sorts. */
const MOST_USERS_COLLECTED = 132 * 5_000;

type PageRow = UserRow & { readonly sort_key: string };

/** `notFound` makes the error of the server that the queries are used in. */
export function queriesByHand(replica: pg.Pool, notFound: () => Error): QueriesByHand {
  let known: Promise<typeof SEARCH_PASSING> | undefined;
  /** What costs less is asked once, for the text that the benchmark searches. */
  const searching = (): Promise<typeof SEARCH_PASSING> =>
    (known ??= replica
      .query<{ users: number }>(NUMBER_OF_USERS)
      .then(({ rows: [row] }) => ((row?.users ?? 0) > MOST_USERS_COLLECTED ? SEARCH_PASSING : SEARCH_COLLECTED)));

  async function rowsOf({ pageToken, search }: ListUsersRequest, limit: number): Promise<PageRow[]> {
    if (pageToken) {
      const { rows } = await replica.query<PageRow>({ ...PAGE_BEHIND, values: [limit, ...positionIn(pageToken)] });
      return rows;
    }
    if (search) {
      const { rows } = await replica.query<PageRow>({ ...(await searching()), values: [limit, `%${foldedText(search)}%`] });
      return rows;
    }
    const { rows } = await replica.query<PageRow>({ ...FIRST_PAGE, values: [limit] });
    return rows;
  }

  return {
    async getUser(request) {
      const { rows } = await replica.query<UserRow>({ ...GET_USER, values: [request.userId] });
      const [row] = rows;
      if (!row) throw notFound();
      return { user: toUser(row) };
    },

    async listUsers(request) {
      const size = request.pageSize;
      const rows = await rowsOf(request, size + 1);
      const page = rows.slice(0, size);
      const last = page.at(-1);
      return { users: page.map(toUser), nextPageToken: last && rows.length > size ? tokenOf(last) : '' };
    },
  };
}

/** Readable by everybody, unlike the service's. */
const tokenOf = ({ sort_key, id }: PageRow): string => Buffer.from(JSON.stringify([sort_key, id])).toString('base64url');

const positionIn = (token: string): [sortKey: string, id: string] => JSON.parse(Buffer.from(token, 'base64url').toString());
