/**
 * The module of user accounts, `users.v1`.
 *
 * @module bicameral/users
 */
export { users } from './module.ts';
