import type { User } from './user.entity.js';

const STATUS = { active: 'USER_STATUS_ACTIVE', suspended: 'USER_STATUS_SUSPENDED', deleted: 'USER_STATUS_DELETED' };

/** A user as `users.v1.User`. */
export function toMessage(user: User): object {
  return {
    id: user.id,
    email: user.email ?? '',
    name: user.name,
    status: STATUS[user.status],
    roles: user.roles,
    createdAt: timestamp(user.createdAt),
    updatedAt: timestamp(user.updatedAt),
    lastLoginAt: user.lastLoginAt && timestamp(user.lastLoginAt),
    version: user.version,
  };
}

function timestamp(date: Date): { seconds: number; nanos: number } {
  const milliseconds = date.getTime();
  return { seconds: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1_000_000 };
}
