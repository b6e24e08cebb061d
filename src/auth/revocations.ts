import type { Logger } from 'pino';
import { TOKEN_LIFETIME_MS } from './access-token.ts';

/** Which sessions have ended before their tokens do. */
export interface Revocations {
  /** True when the user's sessions were ended after the token was made, unless this session was the one kept. */
  readonly isRevoked: (userId: string, epoch: number, session: string) => boolean;
}

/** A user's sessions ended: tokens of earlier epochs no longer count. */
export interface EndedSessions {
  readonly userId: string;
  /** Rises by one each time the user's sessions are ended. */
  readonly epoch: number;
  /** The `jti` of the one session that goes on, as after a change of password; null is none. */
  readonly keptSession: string | null;
}

export interface RevocationWatch extends Revocations {
  /** Reads what was ended up to now. Rejects when the read fails. Await it before the doors open. */
  readonly refresh: () => Promise<void>;
  /** Ends the reading; resolves when none is under way. */
  readonly stop: () => Promise<void>;
}

export interface RevocationWatchOptions {
  /**
   * Reads the sessions that ended since `afterXid`, an opaque mark from the read before. Undefined asks for all that can still
   * matter: those ended within a token's lifetime. Reading one twice does no harm, missing one does.
   */
  readonly read: (afterXid: string | undefined) => Promise<{ rows: readonly EndedSessions[]; nextXid: string }>;
  /** From the end of one read to the start of the next. */
  readonly intervalMs?: number;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** No token is older than its lifetime; the minute is for clocks that differ. */
export const REMEMBERED_MS = TOKEN_LIFETIME_MS + 60_000;

/**
 * Keeps the ended sessions in memory, so that a call asks no database. A failing read is tried again at the interval and
 * logged once an outage; what is known by then stays in force.
 */
export function startRevocationWatch({ read, intervalMs = 250, logger, now }: RevocationWatchOptions): RevocationWatch {
  const ended = new EndedSessionsMap();
  let afterXid: string | undefined;
  let failing = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  // Reads follow one another, so that a refresh sees what was committed before it was asked for and marks never go back.
  let last: Promise<void> = Promise.resolve();

  async function readOnce(): Promise<void> {
    if (stopped) return;
    const { rows, nextXid } = await read(afterXid);
    afterXid = nextXid;
    ended.add(rows, now());
  }

  function refresh(): Promise<void> {
    const reading = last.then(readOnce);
    last = reading.catch(() => undefined);
    return reading;
  }

  async function poll(): Promise<void> {
    try {
      await refresh();
      if (failing) logger.info('ended sessions can be read again');
      failing = false;
    } catch (error) {
      if (!failing) logger.warn({ err: error }, 'ended sessions cannot be read; trying again');
      failing = true;
    }
    if (!stopped) timer = setTimeout(poll, intervalMs).unref();
  }
  void poll();

  return {
    isRevoked: (userId, epoch, session) => ended.isRevoked(userId, epoch, session),
    refresh,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await last;
    },
  };
}

/** The newest end of sessions of each user, for as long as a token from before may live. */
class EndedSessionsMap {
  /** In the order of `at`: an entry that changes goes to the end. */
  readonly #byUser = new Map<string, { readonly epoch: number; readonly keptSession: string | null; readonly at: number }>();

  isRevoked(userId: string, epoch: number, session: string): boolean {
    const entry = this.#byUser.get(userId);
    if (entry === undefined || entry.epoch <= epoch) return false;
    return session === '' || session !== entry.keptSession;
  }

  add(rows: readonly EndedSessions[], at: number): void {
    for (const { userId, epoch, keptSession } of rows) {
      const known = this.#byUser.get(userId);
      if (known && known.epoch >= epoch) continue;
      this.#byUser.delete(userId);
      this.#byUser.set(userId, { epoch, keptSession, at });
    }
    for (const [userId, entry] of this.#byUser) {
      if (at - entry.at <= REMEMBERED_MS) break;
      this.#byUser.delete(userId);
    }
  }
}
