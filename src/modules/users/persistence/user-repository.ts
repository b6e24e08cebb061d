import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { StoredPassword, Users } from '../domain/users.ts';
import { UserType } from './user-type.ts';

/** Addresses are ASCII, and are compared alike in every database, whatever its locale. */
const HOLDS_EMAIL = 'lower(email collate "C") = lower($1::text collate "C")';

/** The users, kept in PostgreSQL by a unit of work. */
export function userRepository(work: UnitOfWork): Users {
  return {
    find: (id) => work.find(UserType, id),
    add: (user) => work.add(UserType, user),

    async storedPassword(by) {
      const [where, value] = 'email' in by ? [HOLDS_EMAIL, by.email] : ['id = $1', by.userId];
      const [row] = await work.queryOutside<StoredPassword>(
        `select id as "userId", password_hash as hash, email, name from users."user" where ${where} and password_hash is not null`,
        [value],
      );
      return row;
    },

    async holdsEmail(email) {
      const rows = await work.query(`select from users."user" where ${HOLDS_EMAIL}`, [email]);
      return rows.length > 0;
    },

    async hasActiveAdminBesides(id) {
      // The lock makes concurrent commands that each remove one of the last two admins see each other.
      const admins = await work.query<{ id: string }>(
        `select id from users."user" where roles @> '{admin}' and status = 'active' order by id for update`,
        [],
      );
      return admins.some((admin) => admin.id !== id);
    },
  };
}
