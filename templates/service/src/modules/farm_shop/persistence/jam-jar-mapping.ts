import { defineEntity, type EntityCtor, p } from '@mikro-orm/core';
import { JamJar } from '../domain/jam-jar.ts';

/** A jam jar is stored in farm_shop."jam_jar". `writes` counts every update of the row. An update fails when another one came first. */
export const JamJarMapping = defineEntity({
  class: JamJar as unknown as EntityCtor<JamJar>,
  schema: 'farm_shop',
  tableName: 'jam_jar',
  properties: {
    _id: p.uuid().primary().fieldName('id'),
    _name: p.text().fieldName('name'),
    _createdAt: p.datetime(3).fieldName('created_at'),
    _updatedAt: p.datetime(3).fieldName('updated_at'),
    _version: p.integer().fieldName('version'),
    _writes: p.integer().version().fieldName('writes'),
  },
});
