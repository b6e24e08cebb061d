import { FORGET_ACCOUNTS, FORGET_GUESSES, type guessTargets } from '../../../kernel/database/limits/guesses.ts';
import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { PasswordGuesses } from '../domain/users.ts';

/** The secret that the guess limits of this module's contract name. */
const SECRET = 'password';

/** What is counted at a user: by the e-mail at LogIn, by the id where the user is logged in. */
export function passwordGuesses(work: UnitOfWork, target: ReturnType<typeof guessTargets>): PasswordGuesses {
  const accounts = ({ id, email }: { id: string; email: string }): Buffer[] => [target(SECRET, email), target(SECRET, id)];
  return {
    async forget(user) {
      await work.query(FORGET_GUESSES, [accounts(user)]);
    },
    async forgetClients(user) {
      await work.query(FORGET_ACCOUNTS, [accounts(user)]);
    },
  };
}
