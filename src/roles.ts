import type { RoleDefinitions } from './kernel/auth/roles.ts';

/** What each role permits. The contracts name permissions, modules declare them, and only this service names roles. */
export const roles = {
  admin: 'all',
  auditor: ['users.read', 'audit.read', 'events.read'],
  operator: ['operations.read', 'operations.write'],
} satisfies RoleDefinitions;
