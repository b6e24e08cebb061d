import type { User } from './user.ts';

/** The users as commands see them: bound to the command's transaction. */
export interface Users {
  find(id: string): Promise<User | undefined>;
  /** Whether somebody has the e-mail, compared without regard to case. The unique index is the guarantee; this gives the kinder error. */
  holdsEmail(email: string): Promise<boolean>;
  /** Whether the system keeps an active admin without this user. Concurrent commands that ask wait for each other. */
  hasActiveAdminBesides(id: string): Promise<boolean>;
  add(user: User): void;
  /** Read outside the transaction, so that none is held open while passwords are hashed. */
  storedPassword(by: { readonly email: string } | { readonly userId: string }): Promise<StoredPassword | undefined>;
}

/** What a password is checked against. */
export interface StoredPassword {
  readonly userId: string;
  /** PHC string. */
  readonly hash: string;
  readonly email: string;
  readonly name: string;
}

/** The wrong guesses at passwords, and the clients that were right. What is forgotten is forgotten when the command commits. */
export interface PasswordGuesses {
  /** A right password counts again, whatever was guessed before. */
  forget(user: { readonly id: string; readonly email: string }): Promise<void>;
  /** So, and no client is known any more. */
  forgetClients(user: { readonly id: string; readonly email: string }): Promise<void>;
}

/** Hashes passwords slowly, off the event loop, in turn. The signal ends the wait. */
export interface Passwords {
  /** Answers a PHC string. */
  hash(password: string, signal: AbortSignal): Promise<string>;
  /** `outdated`: the hash was made with lower parameters than are used now. */
  verify(hash: string, password: string, signal: AbortSignal): Promise<{ readonly matches: boolean; readonly outdated: boolean }>;
  /** Takes the time of a wrong password. */
  verifyNothing(password: string, signal: AbortSignal): Promise<void>;
}
