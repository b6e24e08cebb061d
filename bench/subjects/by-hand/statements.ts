/**
 * The statements that the service sends, written by hand and prepared by name. What the service comes to send differently is to be
 * changed here, too: the floor does the same and nothing else.
 */
const USER = 'id, email, name, status, roles, created_at, updated_at, last_login_at, version';
const LISTED = `select ${USER}, (created_at)::text as sort_key from read.user_directory where status <> 'deleted'`;
const IN_ORDER = 'order by created_at asc, id asc limit $1';

export const GET_USER = { name: 'get user', text: `select ${USER} from read.user_directory where id = $1` };

export const FIRST_PAGE = { name: 'first page', text: `${LISTED} ${IN_ORDER}` };

export const PAGE_BEHIND = {
  name: 'page behind',
  text: `${LISTED} and (created_at, id) > ($2::timestamptz, $3::uuid) ${IN_ORDER}`,
};

/** Where many match: among the next 20,000 users in order, by the index alone. */
export const SEARCH_PASSING = {
  name: 'search passing',
  text: `select shown.*, key::text as sort_key
    from (select id, key
      from (select id, created_at as key, status, search_text from read.user_directory order by created_at asc, id asc limit 20000) as passed
      where status <> 'deleted' and search_text like $2 order by key asc, id asc limit $1) as users
    cross join lateral (select ${USER} from read.user_directory where id = users.id offset 0) as shown
    order by key asc, users.id asc`,
};

/** Where few match: all of them, by the index of trigrams, and sorted. */
export const SEARCH_COLLECTED = {
  name: 'search collected',
  text: `select ${USER}, (created_at)::text as sort_key
    from (select * from read.user_directory where search_text like $2 offset 0) as found
    where status <> 'deleted' and search_text like $2 ${IN_ORDER}`,
};

/** By the last ANALYZE. */
export const NUMBER_OF_USERS = `select reltuples as users from pg_class where oid = 'read.user_directory'::regclass`;

const WRITTEN = `${USER}, password_hash, session_epoch, kept_session, writes`;

export const FIND_USER = { name: 'find user', text: `select ${WRITTEN} from users."user" where id = $1 limit 1` };

export const FIND_EMAIL = {
  name: 'find email',
  text: 'select from users."user" where lower(email collate "C") = lower($1::text collate "C")',
};

/** Parameters 1 to 9 of a write are the event's, 10 to 21 the record's, 22 the read model's. The row's follow. */
const SIDE_EFFECTS = `event as (
      insert into cqrs.event
        (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
      select event.id, event.type, event.payload, event.personal, $1, written.id, $2, $3, $4, $5
      from written, unnest($6::uuid[], $7::text[], $8::bytea[], $9::bytea[]) as event (id, type, payload, personal)
    ), record as (
      insert into cqrs.command_log
        (command_id, received_at, method, principal, roles, session, request, personal, personal_digest, outcome, code, reason, dry_run,
         aggregate_type, aggregate_id, version_before, version_after, event_ids, attempts, duration_us, trace_id, peer, user_agent)
      select $3, $5, $10::text, $11::text, $12::text[], '', $13::json, $14::json, $15::bytea, 'succeeded', 'OK', '', false,
        $1, written.id, $16::integer, $2, $6::uuid[], $17::integer, $18::integer, $19::text, $20::text, $21::text
      from written
    ), user_directory as (
      insert into read.user_directory (${USER}, name_key, search_text)
      select id, coalesce(email, ''), name, status, roles, created_at, updated_at, last_login_at, version,
        ($22::text[])[1], ($22::text[])[2]
      from written
      on conflict (id) do update set
        email = excluded.email, name = excluded.name, status = excluded.status, roles = excluded.roles,
        updated_at = excluded.updated_at, last_login_at = excluded.last_login_at, version = excluded.version,
        name_key = excluded.name_key, search_text = excluded.search_text
    ), ended_session as (
      insert into read.ended_session (user_id, epoch, kept_session, ended_at, transaction_id)
      select id, session_epoch, kept_session, now(), pg_current_xact_id()
      from written
      where session_epoch > 1
        and not exists (select from read.ended_session e where e.user_id = written.id and e.epoch >= written.session_epoch)
      on conflict (user_id) do update set
        epoch = excluded.epoch, kept_session = excluded.kept_session, ended_at = excluded.ended_at,
        transaction_id = excluded.transaction_id
    ) select count(*)::integer as written from written`;

export const UPDATE_NAME = {
  name: 'update name',
  text: `with written as (
      update users."user" set name = $23, updated_at = $24, version = $25, writes = writes + 1
      where id = $26 and writes = $27 returning *
    ), ${SIDE_EFFECTS}`,
};

export const INSERT_USER = {
  name: 'insert user',
  text: `with written as (
      insert into users."user"
        (id, email, name, password_hash, status, roles, created_at, updated_at, session_epoch, version)
      values ($23, $24, $25, $26, 'active', '{}', $27, $27, 1, 1) returning *
    ), ${SIDE_EFFECTS}`,
};
