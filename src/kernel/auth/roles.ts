/** Everything that can be permitted. Access rules in the contracts name these. */
export const PERMISSIONS = [
  'users.read',
  'users.write',
  'users.admin',
  'audit.read',
  'audit.write',
  'events.read',
  'operations.read',
  'operations.write',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** What each role permits. A user without a role acts on their own account only. */
export const ROLES = {
  admin: PERMISSIONS,
  auditor: ['users.read', 'audit.read', 'events.read'],
  operator: ['operations.read', 'operations.write'],
} as const satisfies Readonly<Record<string, readonly Permission[]>>;

export type Role = keyof typeof ROLES;

const names = Object.keys(ROLES) as Role[];
const combinations: (ReadonlySet<string> | undefined)[] = [];

/** What the roles permit together. A role that is not in the table, as a foreign token may hold, permits nothing. */
export function permissionsOf(roles: readonly string[]): ReadonlySet<string> {
  let combination = 0;
  for (const role of roles) {
    const index = names.indexOf(role as Role);
    if (index >= 0) combination |= 1 << index;
  }
  let permissions = combinations[combination];
  if (!permissions) {
    permissions = new Set(names.filter((_, index) => combination & (1 << index)).flatMap((name) => ROLES[name]));
    combinations[combination] = permissions;
  }
  return permissions;
}
