/** What each role permits: some permissions, or all that modules and the application declare. */
export type RoleDefinitions = Readonly<Record<string, 'all' | readonly string[]>>;

/** The roles of a service. A user without a role acts on their own account only. */
export interface Roles {
  /** The permissions of each role, by its name. */
  readonly permissions: Readonly<Record<string, readonly string[]>>;
  /** What the roles permit together. A role that is not among these, as a foreign token may hold, permits nothing. */
  readonly permissionsOf: (roles: readonly string[]) => ReadonlySet<string>;
  /** Everything that can be permitted: what the service itself may do. */
  readonly declared: ReadonlySet<string>;
}

/** Combinations are numbered by bits. */
const MOST_ROLES = 30;

/** `permissions` are all that are declared. */
export function createRoles(definitions: RoleDefinitions, permissions: readonly string[]): Roles {
  const names = Object.keys(definitions);
  if (names.length > MOST_ROLES) throw new Error(`a service has ${MOST_ROLES} roles at most, and not ${names.length}`);
  const byRole = Object.fromEntries(
    Object.entries(definitions).map(([name, held]) => [name, held === 'all' ? permissions : held]),
  );
  const combinations: (ReadonlySet<string> | undefined)[] = [];

  return {
    permissions: byRole,
    declared: new Set(permissions),
    permissionsOf(roles) {
      let combination = 0;
      for (const role of roles) {
        const index = names.indexOf(role);
        if (index >= 0) combination |= 1 << index;
      }
      let permitted = combinations[combination];
      if (!permitted) {
        permitted = new Set(names.filter((_, index) => combination & (1 << index)).flatMap((name) => byRole[name] ?? []));
        combinations[combination] = permitted;
      }
      return permitted;
    },
  };
}
