import type { UserRow } from './user-directory.ts';

/** What users can be sorted by. */
export type Order = 'created_at' | 'email' | 'name';

/** Which users a list holds and in which order. */
export interface UserList {
  /** Undefined: all but the deleted ones. */
  readonly status: UserRow['status'] | undefined;
  /** Part of the name or of the e-mail address, folded; empty: any. */
  readonly search: string;
  readonly orderBy: Order;
  readonly descending: boolean;
}

/** A place in a list: behind the user with this sort key and id. */
export type Place = readonly [sortKey: string, id: string];

/** Where a page begins: behind a user, or after so many. */
export type PageStart = { readonly after: Place } | { readonly skip: number };
