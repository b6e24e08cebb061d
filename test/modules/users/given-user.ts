import type { User } from '../../../src/modules/users/domain/user.ts';
import { person } from './given-users.ts';

/** A user as they are after they were created: what tests of generated code begin with. By their name an id and an address. */
export const givenUser = (name = 'Ada'): User => person(name);
