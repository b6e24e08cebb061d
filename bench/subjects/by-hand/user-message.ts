import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type UserSchema, UserStatus } from '../../../gen/users/v1/user_pb.js';

/** A user as it stands in both of its tables. */
export interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'suspended' | 'deleted';
  readonly roles: string[];
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly last_login_at: Date | null;
  readonly version: number;
}

const STATUS = { active: UserStatus.ACTIVE, suspended: UserStatus.SUSPENDED, deleted: UserStatus.DELETED } as const;

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
