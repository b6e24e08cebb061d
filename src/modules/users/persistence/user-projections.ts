import { foldedText, sortedText } from '../../../kernel/bus/folded-text.ts';
import type { InlineProjection } from '../../../kernel/database/write/aggregate-type.ts';
import type { User } from '../domain/user.ts';

/** What GetUser, FindUserByEmail and ListUsers read: a user as it is answered, with what it is sorted by and the text that is searched. */
export const userDirectory: InlineProjection<User> = {
  name: 'user_directory',
  // No text that is searched for holds a line feed: what is found lies within the name or within the address.
  texts: ({ name, email }) => [sortedText(name), `${foldedText(name)}\n${foldedText(email)}`],
  tables: { directory: 'read.user_directory' },
  statement: ({ directory }) => `insert into ${directory}
      (id, email, name, status, roles, created_at, updated_at, last_login_at, version, name_key, search_text)
    select id, coalesce(email, ''), name, status, written.roles, created_at, updated_at, last_login_at, version,
      input.user_directory[1], input.user_directory[2]
    from written join input on input.aggregate_id = written.id
    on conflict (id) do update set
      email = excluded.email, name = excluded.name, status = excluded.status, roles = excluded.roles,
      updated_at = excluded.updated_at, last_login_at = excluded.last_login_at, version = excluded.version,
      name_key = excluded.name_key, search_text = excluded.search_text`,
};

/** What every instance watches to refuse the tokens of sessions that have ended. */
export const endedSessions: InlineProjection<User> = {
  name: 'ended_session',
  statement: `insert into read.ended_session (user_id, epoch, kept_session, ended_at, transaction_id)
    select id, session_epoch, kept_session, now(), pg_current_xact_id()
    from written
    where session_epoch > 1
      and not exists (select from read.ended_session e where e.user_id = written.id and e.epoch >= written.session_epoch)
    on conflict (user_id) do update set
      epoch = excluded.epoch, kept_session = excluded.kept_session, ended_at = excluded.ended_at,
      transaction_id = excluded.transaction_id`,
};
