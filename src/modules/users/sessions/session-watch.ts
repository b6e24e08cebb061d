import type { Logger } from 'pino';
import { LONGEST_TOKEN_LIFETIME_MS } from '../../../kernel/auth/access-token.ts';
import type { Sessions } from '../../../kernel/auth/authority.ts';
import { type Loop, loop } from '../../../kernel/background/loop.ts';

/** A user's sessions ended: tokens of earlier epochs no longer count. */
export interface EndedSessions {
  readonly userId: string;
  /** Rises by one each time the user's sessions are ended. */
  readonly epoch: number;
  /** The one session that goes on, as after a change of password; null is none. */
  readonly keptSession: string | null;
}

/** One session of a user ended, as by a log-out; the others go on. */
export interface ClosedSession {
  readonly userId: string;
  readonly session: string;
}

/** What ended since the read before. */
export interface EndedRead {
  readonly ended: readonly EndedSessions[];
  readonly closed: readonly ClosedSession[];
  /** Where the next read goes on. */
  readonly mark: string;
}

/** Knows which sessions have ended before their tokens do. */
export interface EndedSessionWatch extends Pick<Sessions, 'hasEnded' | 'onEnded'>, Pick<Loop, 'stop'> {
  /** Reads what was ended up to now. Rejects when the read fails. Await it before the doors open. */
  readonly refresh: () => Promise<void>;
}

export interface EndedSessionWatchOptions {
  /**
   * Reads the sessions that ended since the mark of the read before. Undefined asks for all that can still matter: those ended within
   * the longest lifetime of a token. Reading one twice does no harm, missing one does.
   */
  readonly read: (mark: string | undefined) => Promise<EndedRead>;
  /** From the end of one read to the start of the next. */
  readonly intervalMs?: number;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** No token lives longer; the minute is for clocks that differ. */
export const REMEMBERED_MS = LONGEST_TOKEN_LIFETIME_MS + 60_000;

/**
 * Keeps the ended sessions in memory, so that a call asks no database. A failing read is tried again at the interval and
 * logged once an outage; what is known by then stays in force.
 */
export function startEndedSessionWatch({ read, intervalMs = 250, logger, now }: EndedSessionWatchOptions): EndedSessionWatch {
  const known = new KnownEnds();
  const listeners = new Map<string, Set<() => void>>();
  /** Never goes back, because reads follow one another. */
  let mark: string | undefined;

  async function readOn(): Promise<void> {
    const { ended, closed, mark: next } = await read(mark);
    mark = next;
    for (const userId of known.add({ ended, closed }, now())) {
      for (const listener of [...(listeners.get(userId) ?? [])]) listener();
    }
  }

  function onEnded(userId: string, listener: () => void): () => void {
    const ofUser = listeners.get(userId) ?? new Set();
    listeners.set(userId, ofUser.add(listener));
    return () => {
      ofUser.delete(listener);
      if (ofUser.size === 0 && listeners.get(userId) === ofUser) listeners.delete(userId);
    };
  }

  const reading = loop({
    name: 'ended sessions',
    every: intervalMs,
    round: readOn,
    outage: { logger, fails: 'ended sessions cannot be read', works: 'ended sessions can be read again' },
  });
  return {
    hasEnded: (userId, epoch, session) => known.hasEnded(userId, epoch, session),
    onEnded,
    refresh: reading.next,
    stop: reading.stop,
  };
}

/** What ended of each user and of each session, for as long as a token from before may live. */
class KnownEnds {
  /** Both in the order of `at`: an entry that changes goes to the end. */
  readonly #byUser = new Map<string, { readonly epoch: number; readonly keptSession: string | null; readonly at: number }>();
  readonly #bySession = new Map<string, { readonly at: number }>();

  hasEnded(userId: string, epoch: number, session: string): boolean {
    if (this.#bySession.size > 0 && this.#bySession.has(session)) return true;
    const entry = this.#byUser.get(userId);
    if (entry === undefined || entry.epoch <= epoch) return false;
    return session === '' || session !== entry.keptSession;
  }

  /** Returns the users of whom something was not known. */
  add({ ended, closed }: Pick<EndedRead, 'ended' | 'closed'>, at: number): Set<string> {
    const users = new Set<string>();
    for (const { userId, epoch, keptSession } of ended) {
      const entry = this.#byUser.get(userId);
      if (entry && entry.epoch >= epoch) continue;
      this.#byUser.delete(userId);
      this.#byUser.set(userId, { epoch, keptSession, at });
      users.add(userId);
    }
    for (const { userId, session } of closed) {
      if (this.#bySession.has(session)) continue;
      this.#bySession.set(session, { at });
      users.add(userId);
    }
    forgetOld(this.#byUser, at);
    forgetOld(this.#bySession, at);
    return users;
  }
}

function forgetOld(entries: Map<string, { readonly at: number }>, now: number): void {
  for (const [key, { at }] of entries) {
    if (now - at <= REMEMBERED_MS) break;
    entries.delete(key);
  }
}
