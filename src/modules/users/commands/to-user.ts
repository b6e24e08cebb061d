import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type UserSchema, UserStatus } from '#gen/users/v1/user_pb.js';
import type { User } from '../domain/user.ts';

const STATUS = { active: UserStatus.ACTIVE, suspended: UserStatus.SUSPENDED, deleted: UserStatus.DELETED } as const;

/** A user as commands answer it: as it will be once the command is committed. */
export function toUser(user: User): MessageInitShape<typeof UserSchema> {
  return {
    id: user.id,
    email: user.email,
    name: user.name,
    status: STATUS[user.status],
    roles: [...user.roles],
    createdAt: timestampFromDate(user.createdAt),
    updatedAt: timestampFromDate(user.updatedAt),
    ...(user.lastLoginAt && { lastLoginAt: timestampFromDate(user.lastLoginAt) }),
    version: BigInt(user.version),
  };
}
