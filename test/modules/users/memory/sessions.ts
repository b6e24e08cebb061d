import type { RefreshToken, Session, Sessions } from '../../../../src/modules/users/domain/sessions.ts';
import type { SessionLifetime } from '../../../../src/modules/users/sessions/session-lifetime.ts';
import type { MemoryUnitOfWork } from '../../../../src/testing/index.ts';

/** How long sessions last in memory: a week unused, thirty days in all. */
export const LIFETIME: SessionLifetime = { maxMs: 30 * 24 * 3_600_000, idleMs: 7 * 24 * 3_600_000 };

interface Row extends Session {
  /** Which of the session's refresh tokens is the current one, from 1. */
  readonly current: number;
  readonly usedAt: Date;
}

/** The n-th refresh token of a session. */
export const refreshTokenOf = (session: string, n = 1): string => `${session}/${n}`;

/** A session that is given. */
export const session =
  (begun: Session) =>
  (work: MemoryUnitOfWork): unknown =>
    memorySessions(work).begin(begun);

/** The sessions, kept in memory. */
export function memorySessions(work: MemoryUnitOfWork, lifetime: SessionLifetime = LIFETIME): Sessions {
  const rows = work.table<Row>('sessions');
  const expiryOf = ({ authenticatedAt, usedAt }: Row): Date =>
    new Date(Math.min(authenticatedAt.getTime() + lifetime.maxMs, usedAt.getTime() + lifetime.idleMs));
  const keep = (row: Row): RefreshToken => {
    rows.set(row.id, row);
    return { refreshToken: refreshTokenOf(row.id, row.current), expiresAt: expiryOf(row) };
  };

  return {
    begin: async (session) => keep({ ...session, current: 1, usedAt: session.authenticatedAt }),

    async find(refreshToken, now) {
      const [id = '', n] = refreshToken.split('/');
      const row = rows.get(id);
      if (!row) return { problem: 'UNKNOWN' };
      if (Number(n) !== row.current) {
        rows.stored.delete(id);
        return { problem: 'REUSED' };
      }
      if (now >= expiryOf(row)) return { problem: 'EXPIRED' };
      const { userId, epoch, authenticatedAt } = row;
      return { id, userId, epoch, authenticatedAt, presented: refreshToken };
    },

    async rotate(found, user, now) {
      const row = rows.get(found.id);
      if (!row || found.presented !== refreshTokenOf(row.id, row.current)) return undefined;
      return keep({ ...row, current: row.current + 1, epoch: user.sessionEpoch, usedAt: now });
    },

    async end({ id }) {
      rows.delete(id);
    },
  };
}
