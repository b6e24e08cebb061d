import type { User } from './user.ts';

/** A session as it is kept: what a log-in began. */
export interface Session {
  readonly id: string;
  readonly userId: string;
  /** The session epoch of the user when it began, or was last refreshed. */
  readonly epoch: number;
  /** When the password was shown. */
  readonly authenticatedAt: Date;
}

/** What goes on with a session, once. Kept as digests only. */
export interface RefreshToken {
  readonly refreshToken: string;
  /** When it is over, unless it is used before. */
  readonly expiresAt: Date;
}

/**
 * Why a refresh token gets nothing: nobody made it or its session is gone, it was not used for too long or its session has lasted long
 * enough, it was used before, or its session has ended.
 */
export type RefreshProblem = 'UNKNOWN' | 'EXPIRED' | 'REUSED' | 'ENDED';

/** The sessions as commands see them. What is written is written when the command commits, but for the end of a session by reuse. */
export interface Sessions {
  /** Keeps a new session of the user. */
  begin(session: Session): Promise<RefreshToken>;
  /** The session that a refresh token goes on with. A token that was used before ends its session, whatever becomes of the command. */
  find(refreshToken: string, now: Date): Promise<FoundSession | { readonly problem: RefreshProblem }>;
  /** Gives the session its next refresh token, at the user's epoch. Undefined when another command was faster, which is a reuse. */
  rotate(found: FoundSession, user: User, now: Date): Promise<RefreshToken | undefined>;
  /** Ends one session: its access tokens within a second, its refresh token at once. */
  end(session: Pick<Session, 'id' | 'userId'>): Promise<void>;
}

/** A session with the refresh token that it was found by. */
export interface FoundSession extends Session {
  readonly presented: string;
}
