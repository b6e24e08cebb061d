import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type pg from 'pg';
import { Reason } from '#gen/users/v1/reasons_pb.js';
import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { FoundSession, RefreshToken, Session, Sessions } from '../domain/sessions.ts';
import type { SessionLifetime } from '../sessions/session-lifetime.ts';

/**
 * A refresh token: the id of its session, a part that stays for the whole session, and one that changes with each use. Both parts are 256
 * random bits, so that a fast digest of them can be stored (OWASP ASVS 5, 11.4.1). Who knows the first and not the second holds a token
 * that was used before; who knows neither cannot end a session by its id, which is no secret.
 */
const ID_LENGTH = 16;
const PART_LENGTH = 32;
const TOKEN_LENGTH = ID_LENGTH + 2 * PART_LENGTH;

interface Parts {
  readonly id: string;
  readonly family: Buffer;
  readonly current: Buffer;
}

const BEGIN = `insert into users.session (id, user_id, epoch, family, current, authenticated_at, used_at)
  values ($1, $2, $3, $4, $5, $6, $6)`;
const FIND = `select id, user_id as "userId", epoch, family, current, authenticated_at as "authenticatedAt", used_at as "usedAt"
  from users.session where id = $1`;
const ROTATE = 'update users.session set current = $3, epoch = $4, used_at = $5 where id = $1 and current = $2 returning id';
const END = `with ended as (delete from users.session where id = $1)
  insert into read.closed_session (session_id, user_id, ended_at, transaction_id) values ($1, $2, now(), pg_current_xact_id())
  on conflict (session_id) do nothing`;

interface Row {
  readonly id: string;
  readonly userId: string;
  readonly epoch: number;
  readonly family: Buffer;
  readonly current: Buffer;
  /** Text: the connections of commands read times so. */
  readonly authenticatedAt: string;
  readonly usedAt: string;
}

/** The sessions, kept in PostgreSQL. */
export function sessionStore(work: UnitOfWork, lifetime: SessionLifetime): Sessions {
  const end = (session: Pick<Session, 'id' | 'userId'>): unknown[] => [session.id, session.userId];

  return {
    async begin({ id, userId, epoch, authenticatedAt }) {
      const parts = { id, family: randomBytes(PART_LENGTH), current: randomBytes(PART_LENGTH) };
      const values = [id, userId, epoch, digest(parts.family), digest(parts.current), authenticatedAt.toISOString()];
      await work.query(BEGIN, values);
      return tokenOf(parts, { authenticatedAt, usedAt: authenticatedAt }, lifetime);
    },

    async find(refreshToken, now) {
      const parts = partsOf(refreshToken);
      if (!parts) return { problem: 'UNKNOWN' };
      const [row] = await work.queryOutside<Row>(FIND, [parts.id]);
      if (!row || !timingSafeEqual(row.family, digest(parts.family))) return { problem: 'UNKNOWN' };
      if (!timingSafeEqual(row.current, digest(parts.current))) {
        await work.queryOutside(END, end(row));
        return { problem: 'REUSED' };
      }
      const authenticatedAt = new Date(row.authenticatedAt);
      const ends = expiryOf({ authenticatedAt, usedAt: new Date(row.usedAt) }, lifetime);
      if (now >= ends) return { problem: 'EXPIRED' };
      return { id: row.id, userId: row.userId, epoch: row.epoch, authenticatedAt, presented: refreshToken };
    },

    async rotate(found, user, now) {
      const presented = partsOf(found.presented);
      if (!presented) return undefined;
      const parts = { ...presented, current: randomBytes(PART_LENGTH) };
      const values = [found.id, digest(presented.current), digest(parts.current), user.sessionEpoch, now.toISOString()];
      const rotated = await work.query(ROTATE, values);
      if (rotated.length > 0) return tokenOf(parts, { authenticatedAt: found.authenticatedAt, usedAt: now }, lifetime);
      // What is refused is rolled back, and this has to stay. The transaction ends first: it keeps the row locked that it did not change.
      await work.rollback();
      await work.queryOutside(END, end(found));
      return undefined;
    },

    async end(session) {
      await work.query(END, end(session));
    },
  };
}

/** Sessions for a recorded command that is run again: refresh tokens are on no record, and nobody is let in by one. */
export function replayedSessions(store: Sessions, { reason, aggregateId }: { reason: string; aggregateId: string }): Sessions {
  const none = async (now: Date): Promise<RefreshToken> => ({ refreshToken: '', expiresAt: now });
  return {
    begin: ({ authenticatedAt }) => none(authenticatedAt),
    async find(presented, now): Promise<FoundSession | { problem: 'UNKNOWN' }> {
      const wasRefused = reason === Reason[Reason.REFRESH_TOKEN_INVALID];
      if (wasRefused && aggregateId === '') return { problem: 'UNKNOWN' };
      const epoch = wasRefused ? 0 : Number.MAX_SAFE_INTEGER;
      return { id: '', userId: aggregateId, epoch, authenticatedAt: now, presented };
    },
    rotate: (_, __, now) => none(now),
    end: (session) => store.end(session),
  };
}

/** A batch at a time, so that no command waits long for a row. */
const BATCH = 500;

/** Removes sessions that nobody can go on with any more, and ends of single sessions that no token outlives. */
export async function sweepSessions(
  pool: Pick<pg.Pool, 'query'>,
  { idleMs, rememberedMs }: { idleMs: number; rememberedMs: number },
): Promise<void> {
  const old = (table: string, time: string): string => `delete from ${table} where ctid = any (array(
    select ctid from ${table} where ${time} < now() - $1 * interval '1 millisecond' order by ${time} limit $2))`;
  for (const [text, ms] of [
    [old('users.session', 'used_at'), idleMs],
    [old('read.closed_session', 'ended_at'), rememberedMs],
  ] as const) {
    for (let removed: number | null = BATCH; removed === BATCH; ) ({ rowCount: removed } = await pool.query(text, [ms, BATCH]));
  }
}

const digest = (part: Buffer): Buffer => hash('sha256', part, 'buffer');

function expiryOf(
  { authenticatedAt, usedAt }: { readonly authenticatedAt: Date; readonly usedAt: Date },
  { maxMs, idleMs }: SessionLifetime,
): Date {
  return new Date(Math.min(authenticatedAt.getTime() + maxMs, usedAt.getTime() + idleMs));
}

function tokenOf(
  { id, family, current }: Parts,
  times: { readonly authenticatedAt: Date; readonly usedAt: Date },
  lifetime: SessionLifetime,
): RefreshToken {
  const bytes = Buffer.concat([Buffer.from(id.replaceAll('-', ''), 'hex'), family, current]);
  return { refreshToken: bytes.toString('base64url'), expiresAt: expiryOf(times, lifetime) };
}

/** Undefined for what cannot be a refresh token. */
function partsOf(token: string): Parts | undefined {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== TOKEN_LENGTH || bytes.toString('base64url') !== token) return undefined;
  const hex = bytes.toString('hex', 0, ID_LENGTH);
  return {
    id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    family: bytes.subarray(ID_LENGTH, ID_LENGTH + PART_LENGTH),
    current: bytes.subarray(ID_LENGTH + PART_LENGTH),
  };
}
