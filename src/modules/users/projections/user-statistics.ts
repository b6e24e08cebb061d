import {
  UserCreatedSchema,
  UserDeletedSchema,
  UserLoggedInSchema,
  UserReactivatedSchema,
  UserSuspendedSchema,
} from '#gen/users/v1/events_pb.js';
import { projection } from '../../../kernel/feed/projection.ts';

const type = ({ typeName }: { readonly typeName: string }): string => `'${typeName}'`;
const created = type(UserCreatedSchema);
const loggedIn = type(UserLoggedInSchema);

/**
 * What GetUserStatistics reads: how many users there are of each status, and what happened day by day in UTC. The status of each user is
 * kept beside, because an event does not tell which one the user had before.
 */
export const userStatistics = projection({
  name: 'user_statistics',
  events: [UserCreatedSchema, UserLoggedInSchema, UserSuspendedSchema, UserReactivatedSchema, UserDeletedSchema],
  tables: { counts: 'read.user_count', days: 'read.user_day', statuses: 'read.user_status' },
  data: false,
  statements: ({ counts, days, statuses }) => ({
    // Of several changes of one user, the last is what the user now is.
    now: `select distinct on (aggregate_id) aggregate_id as user_id,
        case type when ${type(UserSuspendedSchema)} then 'suspended' when ${type(UserDeletedSchema)} then 'deleted' else 'active' end as status
      from events where type <> ${loggedIn} order by aggregate_id, position desc`,
    // As all parts of the statement, it sees the statuses as they were before. There is a row of each status, however the events come.
    counts: `insert into ${counts} as row (status, users)
      select status, coalesce(sum(change), 0)::bigint
      from (values ('active'), ('suspended'), ('deleted')) as every (status) left join (
        select status, 1 as change from now union all
        select before.status, -1 from now join ${statuses} as before using (user_id)) as changed using (status)
      where exists (select from now)
      group by status
      on conflict (status) do update set users = row.users + excluded.users where excluded.users <> 0`,
    statuses: `insert into ${statuses} (user_id, status) select user_id, status from now
      on conflict (user_id) do update set status = excluded.status`,
    days: `insert into ${days} as row (day, sign_ups, log_ins)
      select (occurred_at at time zone 'UTC')::date, count(*) filter (where type = ${created}), count(*) filter (where type = ${loggedIn})
      from events where type in (${created}, ${loggedIn}) group by 1
      on conflict (day) do update set sign_ups = row.sign_ups + excluded.sign_ups, log_ins = row.log_ins + excluded.log_ins`,
  }),
});
