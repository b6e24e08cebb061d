import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Selectable } from 'kysely';
import { type UserSchema, UserStatus } from '#gen/users/v1/user_pb.js';
import { readStatements } from '../../../kernel/database/read/read-statements.ts';

/** read.user_directory: one row a user, kept by the command's own transaction. */
export interface UserDirectoryTable {
  readonly id: string;
  /** Empty when deleted. */
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'suspended' | 'deleted';
  readonly roles: string[];
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly last_login_at: Date | null;
  readonly version: number;
  /** See `sortedText`. */
  readonly name_key: string;
  /** Name and e-mail, folded (`foldedText`), each on a line. */
  readonly search_text: string;
}

export const statements = readStatements<{ 'read.user_directory': UserDirectoryTable }>();

/** The columns that make a `User`. */
export const USER_COLUMNS = [
  'id',
  'email',
  'name',
  'status',
  'roles',
  'created_at',
  'updated_at',
  'last_login_at',
  'version',
] as const satisfies readonly (keyof UserDirectoryTable)[];

export type UserRow = Pick<Selectable<UserDirectoryTable>, (typeof USER_COLUMNS)[number]>;

const STATUS = { active: UserStatus.ACTIVE, suspended: UserStatus.SUSPENDED, deleted: UserStatus.DELETED } as const;

/** A status as the directory has it. Undefined for USER_STATUS_UNSPECIFIED. */
export function statusOf(status: UserStatus): UserRow['status'] | undefined {
  return (Object.keys(STATUS) as UserRow['status'][]).find((name) => STATUS[name] === status);
}

export function toUser(row: UserRow): MessageInitShape<typeof UserSchema> {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    status: STATUS[row.status],
    roles: row.roles,
    createdAt: timestampFromDate(row.created_at),
    updatedAt: timestampFromDate(row.updated_at),
    ...(row.last_login_at && { lastLoginAt: timestampFromDate(row.last_login_at) }),
    version: BigInt(row.version),
  };
}
