import { defineEntity, p } from '@mikro-orm/core';

const UserSchema = defineEntity({
  name: 'User',
  schema: 'users',
  tableName: 'user',
  properties: {
    id: p.uuid().primary(),
    email: p.text().nullable(),
    name: p.text(),
    status: p.enum(['active', 'suspended', 'deleted']),
    roles: p.array(),
    createdAt: p.datetime(3),
    updatedAt: p.datetime(3),
    lastLoginAt: p.datetime(3).nullable(),
    version: p.integer().version(),
  },
});

/** As MikroORM recommends for TypeScript: `defineEntity` and a class of one's own. */
export class User extends UserSchema.class {
  rename(name: string, at: Date): void {
    this.name = name;
    this.updatedAt = at;
  }
}

UserSchema.setClass(User);
