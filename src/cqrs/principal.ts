/** Who calls. */
export interface Principal {
  /** The id of the user or of the operator, empty for an anonymous caller. */
  readonly id: string;
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<string>;
  /** The log-in that the token comes from (its `jti`), empty where there is none. */
  readonly session: string;
}

export const ANONYMOUS: Principal = { id: '', roles: [], permissions: new Set(), session: '' };
