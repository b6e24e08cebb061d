import { hash } from '@node-rs/argon2';
import type pg from 'pg';
import { projectionDigest, projectionParts } from '../../src/kernel/feed/projection.ts';
import { userStatistics } from '../../src/modules/users/projections/user-statistics.ts';
import { HASHING } from '../load/hashing.ts';
import { EMAIL_SQL, ID_PREFIX, NAME_SQL, SAMPLE_USERS, userId } from './user-numbers.ts';

/** The password of every user that is made in bulk. */
export const PASSWORD = 'nine grey stones by the mill';

const BATCH = 500_000;
const TABLES = ['users."user"', 'read.user_directory', 'cqrs.event', 'cqrs.feed', ...Object.values(userStatistics.tables)];

/** Whether the database holds exactly the users that `makeUsers` makes. */
export async function hasUsers(client: pg.ClientBase, users: number): Promise<boolean> {
  const ids = [userId(users + SAMPLE_USERS - 1), userId(users + SAMPLE_USERS)];
  const { rows } = await client.query<{ id: string }>('select id from users."user" where id = any($1) order by id', [ids]);
  return rows.length === 1 && rows[0]?.id === ids[0];
}

/**
 * Makes users with their read models and events, as if CreateUser had; the events have their numbers, and user_statistics follows them: a
 * service that starts has nothing to do but what it is asked. The database is empty before. About a minute for a million.
 */
export async function makeUsers(client: pg.ClientBase, users: number, onProgress: (step: string) => void): Promise<void> {
  const passwordHash = await hash(PASSWORD, HASHING);
  const indexes = await dropIndexes(client);
  const total = users + SAMPLE_USERS;
  for (let from = 0; from < total; from += BATCH) {
    const last = Math.min(from + BATCH, total) - 1;
    onProgress(`making users: ${from.toLocaleString('en')} of ${total.toLocaleString('en')}`);
    await client.query(USERS, [from, last, passwordHash]);
    await client.query(DIRECTORY, [userId(from), userId(last)]);
    await client.query(EVENTS, [userId(from), userId(last)]);
    await client.query(NUMBERS, [from + 1, last + 1]);
    await client.query(STATISTICS, [from + 1, last + 1]);
  }
  await client.query(NUMBERED, [total]);
  await client.query(FOLLOWED, [userStatistics.name, total, projectionDigest(userStatistics)]);
  for (const index of indexes) {
    onProgress(index);
    await client.query(index);
  }
  // What is read from a replica has been seen by nobody there: only vacuum says, on the primary and for both, which rows all may see.
  onProgress('vacuuming');
  await client.query('vacuum (analyze)');
  await client.query('checkpoint');
}

const USERS = `insert into users."user" (id, email, name, password_hash, status, roles, created_at, updated_at, session_epoch, version)
  select id::uuid, ${EMAIL_SQL}, name, $3, 'active', '{}', made, made, 1, 1
  from generate_series($1::bigint, $2::bigint) as i
  cross join lateral (select
    '${ID_PREFIX}' || lpad(i::text, 12, '0') as id,
    ${NAME_SQL} as name,
    timestamptz '2024-11-01 00:00:00Z' + i * interval '1 second' as made) as u`;

const DIRECTORY = `insert into read.user_directory (id, email, name, status, roles, created_at, updated_at, version, name_key, search_text)
  select id, email, name, status, roles, created_at, updated_at, version, lower(name), lower(name || E'\\n' || email)
  from users."user" where id between $1::uuid and $2::uuid order by id`;

/** The personal part of UserCreated: fields 1 and 2, each a tag, a length and a text of fewer than 128 bytes. */
const EVENTS = `insert into cqrs.event
    (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
  select id, 'users.v1.UserCreated', '', personal, 'users.v1.User', id, 1, id, '', created_at
  from users."user"
  cross join lateral (select
    '\\x0a'::bytea || set_byte('\\x00', 0, length(email)) || convert_to(email, 'UTF8') ||
    '\\x12'::bytea || set_byte('\\x00', 0, length(name)) || convert_to(name, 'UTF8') as personal) as e
  where id between $1::uuid and $2::uuid order by id`;

/** In a new database, the positions of events are as dense as their numbers. */
const NUMBERS =
  'insert into cqrs.feed (sequence, position) select position, position from cqrs.event where position between $1 and $2';

const STATISTICS = `with events as (select * from cqrs.event where position between $1 and $2),
  ${projectionParts(userStatistics)
    .map(({ name, text }) => `${name} as (${text})`)
    .join(', ')}
  select`;

const NUMBERED = 'update cqrs.sequencer set last_sequence = $1, last_position = $1, seen = pg_current_snapshot()';

const FOLLOWED = `insert into cqrs.processor (name, kind, checkpoint, definition)
  values ($1, 'projection', $2, $3)`;

/** Indexes are made faster at once than row by row. Answers the statements that make them again; constraints stay. */
async function dropIndexes(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
     from pg_index
     where indrelid = any($1::regclass[]) and not exists (select from pg_constraint where conindid = indexrelid)`,
    [TABLES],
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  return rows.map(({ definition }) => definition);
}
