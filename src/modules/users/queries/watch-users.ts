import type { MessageInitShape } from '@bufbuild/protobuf';
import { QueryService, type WatchUsersResponseSchema } from '#gen/users/v1/query_service_pb.js';
import { foldedText } from '../../../kernel/bus/folded-text.ts';
import { streamQuery } from '../../../kernel/bus/query.ts';
import type { Told } from '../../../kernel/feed/watching/live-query.ts';
import { statusOf, toUser } from '../read-model/user-directory.ts';
import { type WatchedUserRow, watchedList } from '../read-model/watched-users.ts';
import type { UsersQueryContext } from './context.ts';

/** Sends users, and goes on with what becomes of them. */
export const watchUsers = streamQuery(
  QueryService.method.watchUsers,
  async function* ({ userIds, status, search, resumeToken }, { read, userSamples, liveUsers, signal }: UsersQueryContext) {
    const ids = userIds.length > 0 ? userIds.map((id) => id.toLowerCase()) : undefined;
    const list = watchedList({ ids, status: statusOf(status), search: foldedText(search) }, userSamples);
    for await (const told of liveUsers.watch(read, list, { resumeToken, signal })) {
      yield { change: changeOf(told), resumeToken: told.resumeToken };
    }
  },
);

type Change = NonNullable<MessageInitShape<typeof WatchUsersResponseSchema>['change']>;

function changeOf(told: Told<WatchedUserRow>): Change {
  switch (told.kind) {
    case 'snapshot':
    case 'upsert':
      return { case: told.kind, value: toUser(told.row) };
    case 'removed':
      return { case: 'removed', value: { userId: told.id } };
    case 'caughtUp':
    case 'heartbeat':
      return { case: told.kind, value: {} };
    default:
      return told satisfies never;
  }
}
