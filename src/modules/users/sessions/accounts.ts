import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { TOKEN_LIFETIME_MS } from '../../../kernel/auth/access-token.ts';
import { translateSqlError } from '../../../kernel/database/sql-errors.ts';
import type { EndedSessionWatch } from './session-watch.ts';

/** The accounts of this service that tokens of another issuer can name. */
export interface Accounts {
  /**
   * Whether nothing stands against a caller of this name: false for the id of an account that is suspended or deleted. At once when it was
   * asked before and no session of the account has ended since. Rejects with DatabaseUnavailable.
   */
  readonly isOpen: (subject: string) => boolean | Promise<boolean>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Every suspension and deletion raises the epoch, so that the watch over ended sessions tells when an answer is out of date. */
const LOOK_UP = `select status, coalesce((select epoch from read.ended_session where user_id = id), 1) as epoch
  from read.user_directory where id = $1`;

/** How long the database may take, in milliseconds. */
const PATIENCE = 2_000;

/** Asks the primary: a replica may not know of a suspension yet. */
export function createAccounts({
  primary,
  sessions,
  now,
  maxCached = 10_000,
}: {
  primary: Pick<pg.Pool, 'query'>;
  sessions: Pick<EndedSessionWatch, 'hasEnded'>;
  /** Milliseconds since the epoch. */
  now: () => number;
  maxCached?: number;
}): Accounts {
  /** Open accounts only: when one is reactivated, it counts at once. */
  const open = new LRUCache<string, { readonly epoch: number; readonly until: number }>({ max: maxCached });

  async function lookUp(id: string): Promise<boolean> {
    const statement = { text: LOOK_UP, values: [id], query_timeout: PATIENCE } as pg.QueryConfig;
    const { rows } = await primary.query<{ status: string; epoch: number }>(statement).catch((error: unknown) => {
      throw translateSqlError(error);
    });
    const { status = 'active', epoch = 0 } = rows[0] ?? {};
    if (status !== 'active') return false;
    open.set(id, { epoch, until: now() + TOKEN_LIFETIME_MS });
    return true;
  }

  return {
    isOpen(subject) {
      // UUIDs are the same in either case (RFC 9562, 4); no account has a name that is none.
      const id = subject.toLowerCase();
      if (!UUID.test(id)) return true;
      const known = open.get(id);
      if (known && now() < known.until && !sessions.hasEnded(id, known.epoch, '')) return true;
      return lookUp(id);
    },
  };
}
