import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

@Entity({ schema: 'users', tableName: 'user' })
export class User {
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Property({ type: 'text', nullable: true })
  email!: string | null;

  @Property({ type: 'text' })
  name!: string;

  @Property({ type: 'text' })
  status!: 'active' | 'suspended' | 'deleted';

  @Property({ type: 'array' })
  roles!: string[];

  @Property({ type: 'datetime', length: 3 })
  createdAt!: Date;

  @Property({ type: 'datetime', length: 3 })
  updatedAt!: Date;

  @Property({ type: 'datetime', length: 3, nullable: true })
  lastLoginAt!: Date | null;

  @Property({ type: 'integer', version: true })
  version!: number;

  rename(name: string, at: Date): void {
    this.name = name;
    this.updatedAt = at;
  }
}
