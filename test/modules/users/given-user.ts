import type { User } from '../../../src/modules/users/domain/user.ts';
import { person } from './given-users.ts';

/** A user as they are after they were created: what tests of generated commands begin with. */
export const givenUser = (): User => person('Ada Lovelace');
