import type { SettingsReader } from '../../kernel/settings.ts';
import type { SessionLifetime } from './sessions/session-lifetime.ts';

/** What this module is told by its environment. */
export interface UsersSettings {
  /** How long a log-in can be gone on with by refresh tokens, at most and unused. */
  readonly sessionLifetime: SessionLifetime;
  /** Words that whoever guesses at passwords here knows: of the operator, of the other issuer. In lower case. */
  readonly passwordWords: readonly string[];
}

export const DEFAULT_SETTINGS: UsersSettings = {
  sessionLifetime: { maxMs: 720 * 3_600_000, idleMs: 168 * 3_600_000 },
  passwordWords: [],
};

export function usersSettings({ text, checked }: SettingsReader): UsersSettings {
  const hours = (name: string, fallback: string): number =>
    3_600_000 *
    Number(checked(name, fallback, (value) => /^[1-9]\d{0,4}$/.test(value), 'has to be a whole number of hours from 1 on'));
  return {
    sessionLifetime: { maxMs: hours('SESSION_HOURS', '720'), idleMs: hours('SESSION_IDLE_HOURS', '168') },
    passwordWords: passwordWords([text('PASSWORD_WORDS'), text('AUTH_ISSUER'), text('AUTH_AUDIENCE')]),
  };
}

/** Words of at least four letters or digits, without those that every address has. */
function passwordWords(texts: readonly (string | undefined)[]): string[] {
  const words = texts.flatMap((text = '') =>
    text
      .normalize('NFKC')
      .toLowerCase()
      .split(/[^\p{L}\p{M}\p{N}]+/u),
  );
  return [...new Set(words.filter((word) => word.length >= 4 && word !== 'http' && word !== 'https'))];
}
