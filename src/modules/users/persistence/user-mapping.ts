import { defineEntity, type EntityCtor, p } from '@mikro-orm/core';
import { User } from '../domain/user.ts';

/**
 * Where a user is kept: users.user. The aggregate counts its own versions, which a log-in does not raise; `writes` counts every update
 * of the row, and one that was overtaken by another fails.
 */
export const UserMapping = defineEntity({
  class: User as unknown as EntityCtor<User>,
  schema: 'users',
  tableName: 'user',
  properties: {
    _id: p.uuid().primary().fieldName('id'),
    _email: p.text().nullable().fieldName('email'),
    _name: p.text().fieldName('name'),
    _passwordHash: p.text().nullable().fieldName('password_hash'),
    _status: p.text().fieldName('status'),
    _roles: p.array().fieldName('roles'),
    _createdAt: p.datetime(3).fieldName('created_at'),
    _updatedAt: p.datetime(3).fieldName('updated_at'),
    _lastLoginAt: p.datetime(3).nullable().fieldName('last_login_at'),
    _sessionEpoch: p.integer().fieldName('session_epoch'),
    _keptSession: p.uuid().nullable().fieldName('kept_session'),
    _version: p.integer().fieldName('version'),
    _writes: p.integer().version().fieldName('writes'),
  },
});
