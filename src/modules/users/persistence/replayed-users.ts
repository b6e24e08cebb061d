import { Reason } from '#gen/users/v1/reasons_pb.js';
import { isStandInEmail, type RecordedVerdict, STAND_IN_DOMAIN } from '../../../kernel/bus/rerun.ts';
import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { Users } from '../domain/users.ts';
import { userRepository } from './user-repository.ts';

/**
 * The users for a recorded command that is run again. An e-mail address that was erased has a stand-in: whose it was, and whether it was
 * taken, is what the record says.
 */
export function replayedUsers(work: UnitOfWork, { reason, aggregateId }: RecordedVerdict): Users {
  const users = userRepository(work);

  /** Whether somebody's address is a stand-in, as in a log that is run again from its beginning. */
  async function someoneHoldsStandIn(): Promise<boolean> {
    const holders = await work.query(`select from users."user" where email like '%@' || $1 limit 1`, [STAND_IN_DOMAIN]);
    return holders.length > 0;
  }

  return {
    ...users,
    storedPassword: (by) =>
      users.storedPassword('email' in by && aggregateId !== '' && isStandInEmail(by.email) ? { userId: aggregateId } : by),
    async holdsEmail(email) {
      if (await users.holdsEmail(email)) return true;
      return reason === Reason[Reason.EMAIL_TAKEN] && (isStandInEmail(email) || (await someoneHoldsStandIn()));
    },
  };
}
