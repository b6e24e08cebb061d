import { createContextKey } from '@connectrpc/connect';

/**
 * What is on record of how a command ended that is run again. It decides where the command cannot be judged a second time, because
 * what was judged is not on record: a secret, or what was erased.
 */
export interface RecordedVerdict {
  /** Reason of the error, empty when there was none. */
  readonly reason: string;
  /** Id of the aggregate that the command was about, empty when it came to none. */
  readonly aggregateId: string;
}

/** Set while a recorded command is run again. */
export const rerunKey = createContextKey<RecordedVerdict | undefined>(undefined, { description: 'rerun' });

/** Marks what stands in the place of a text that is not on record any more; no two commands have the same. */
export const standInText = (commandId: string): string => `stand-in ${commandId}`;

/** The domain cannot exist (RFC 2606, 2). */
export const STAND_IN_DOMAIN = 'stand-in.invalid';

/** The same in the form of an e-mail address. */
export const standInEmail = (commandId: string): string => `${commandId}@${STAND_IN_DOMAIN}`;

export const isStandInEmail = (email: string): boolean => email.endsWith(`@${STAND_IN_DOMAIN}`);
