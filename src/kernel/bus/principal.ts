/** Who calls. */
export interface Principal {
  /** The id of the user or of the operator, empty for an anonymous caller. */
  readonly id: string;
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<string>;
  /** The session that the token belongs to, empty where there is none. */
  readonly session: string;
  /** Who vouches for the caller: the `iss` of the token. Undefined where there was no token. */
  readonly issuer?: string;
  /** When the caller last showed a secret that only they have, as the token says (`auth_time`); undefined when it does not. */
  readonly authenticatedAt?: Date;
}

export const ANONYMOUS: Principal = { id: '', roles: [], permissions: new Set(), session: '' };
