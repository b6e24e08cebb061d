import { TokenInvalid } from './errors.ts';
import type { TokenVerifier, VerifiedToken } from './token-verifier.ts';

/** Who may act by a token, and for how long. */
export interface Authority {
  /**
   * What the token stands for, at once when it was seen before. Throws or rejects with TokenInvalid, IssuerUnavailable or
   * DatabaseUnavailable.
   */
  readonly admit: (token: string) => VerifiedToken | Promise<VerifiedToken>;
  /**
   * Calls the listener once, with the reason, when an admitted token stops counting: its time is over, its session has ended, its account
   * was suspended or deleted. Returns the function that takes it back.
   */
  readonly onEnd: (admitted: VerifiedToken, listener: (reason: Error) => void) => () => void;
}

/** What the module that keeps accounts knows of them and of their sessions. */
export interface Sessions {
  /** True when the user's sessions were ended after the token was made, unless this session was the one kept. */
  readonly hasEnded: (userId: string, epoch: number, session: string) => boolean;
  /** Calls the listener each time that sessions of the user have ended. Returns the function that takes it back. */
  readonly onEnded: (userId: string, listener: () => void) => () => void;
  /**
   * Whether nothing stands against a caller of this name: false for the id of an account that is suspended or deleted. Rejects with
   * DatabaseUnavailable.
   */
  readonly isOpen: (subject: string) => boolean | Promise<boolean>;
}

/** Without a module that keeps accounts: tokens count until their time is over. */
export const NO_SESSIONS: Sessions = { hasEnded: () => false, onEnded: () => () => {}, isOpen: () => true };

/** The longest delay that setTimeout keeps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Tokens of our own count until their session ends. Sessions of another issuer are not known here, so its tokens are refused when the
 * account that they name is suspended or deleted.
 */
export function createAuthority({
  tokens,
  sessions,
  now,
}: {
  tokens: TokenVerifier;
  sessions: Sessions;
  /** Milliseconds since the epoch. */
  now: () => number;
}): Authority {
  function inForce(verified: VerifiedToken): VerifiedToken | Promise<VerifiedToken> {
    const { principal, epoch } = verified;
    if (epoch !== undefined) {
      if (sessions.hasEnded(principal.id, epoch, principal.session)) throw new TokenInvalid('REVOKED');
      return verified;
    }
    const open = sessions.isOpen(principal.id);
    if (open === true) return verified;
    return Promise.resolve(open).then((isOpen) => {
      if (!isOpen) throw new TokenInvalid('SUSPENDED');
      return verified;
    });
  }

  return {
    admit(token) {
      const verified = tokens.verify(token);
      return verified instanceof Promise ? verified.then(inForce) : inForce(verified);
    },

    onEnd(admitted, listener) {
      let timer: NodeJS.Timeout | undefined;
      let over = false;
      const forget = (): void => {
        over = true;
        clearTimeout(timer);
        unsubscribe();
      };
      const end = (reason: Error): void => {
        if (over) return;
        forget();
        listener(reason);
      };
      const wait = (): void => {
        const left = admitted.expiresAt - now();
        if (left <= 0) end(new TokenInvalid('EXPIRED'));
        else timer = setTimeout(wait, Math.min(left, LONGEST_TIMER_MS)).unref();
      };
      const unsubscribe = sessions.onEnded(admitted.principal.id.toLowerCase(), () => {
        // What is not known to be good any more is not gone on with.
        new Promise((resolve) => resolve(inForce(admitted))).catch(end);
      });
      wait();
      return forget;
    },
  };
}
