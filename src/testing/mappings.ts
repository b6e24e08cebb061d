import { MikroORM } from '@mikro-orm/postgresql';
import type { Module } from '../kernel/module.ts';
import { aggregateTypesOf } from '../kernel/start/modules.ts';

/**
 * Makes the mappings of a module known to MikroORM, which connects to nothing: an aggregate that holds a `Collection` needs it before its
 * first change. `inMemory` and `startTestService` do so themselves.
 *
 * ```ts
 * prepareMappings(orders);
 * given(order).when((it) => it.removeLine(line.id)).then({ type: 'OrderLineRemoved', lineId: line.id });
 * ```
 */
export function prepareMappings(module: Module): void {
  const entities = aggregateTypesOf([module]).map(({ mapping }) => mapping);
  if (entities.length === 0) return;
  new MikroORM({ dbName: 'memory', entities, discovery: { inferDefaultValues: false, warnWhenNoEntities: false } });
}
