/** `bicameral/users`: the module of user accounts, `users.v1`. */
export { users } from './module.ts';
