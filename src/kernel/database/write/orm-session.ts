import {
  ChangeSetType,
  type EntityProperty,
  type EventSubscriber,
  FlushMode,
  ReferenceKind,
  type UnitOfWork,
} from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { statementSummary } from '../statement-summary.ts';
import type { AggregateTree } from './aggregate-tree.ts';
import type { AggregateType } from './aggregate-type.ts';
import { ormTransaction, type SendInTransaction } from './bound-driver.ts';

type BeforeFlush = (changes: UnitOfWork) => Promise<void>;

const hooks = new WeakMap<UnitOfWork, BeforeFlush>();

/** Has each session look at its changes when MikroORM has found them and has sent none of them. Registered once, with the ORM. */
export const flushSubscriber: EventSubscriber = {
  onFlush: ({ uow }) => hooks.get(uow)?.(uow),
};

/** MikroORM's part in one try of a command: its EntityManager, in the transaction of the command. */
export class OrmSession {
  readonly manager: SqlEntityManager;
  #isFlushing = false;
  #written: string | undefined;

  constructor(manager: SqlEntityManager, send: SendInTransaction) {
    this.manager = manager;
    const transaction = ormTransaction(async (text, values) => {
      const result = await send(text, values);
      if (!this.#isFlushing && CHANGES.has(result.command)) this.#written ??= statementSummary(text);
      return result;
    });
    manager.setTransactionContext(transaction as never);
  }

  /** What the handler itself had changed by the manager, in words; undefined when nothing. */
  get writtenByHandler(): string | undefined {
    return this.#written;
  }

  async load<A extends object>(
    { mapping, strategy = 'joined' }: AggregateType<A>,
    tree: AggregateTree,
    where: Readonly<Record<string, string>>,
  ): Promise<A | undefined> {
    const populate = tree.populate as never;
    // What was changed and not flushed yet stays so: the order of the writes is that of `flush`.
    const found = await this.manager.findOne(mapping, where as never, { populate, strategy, flushMode: FlushMode.COMMIT });
    return (found as A | null) ?? undefined;
  }

  /** Those of them that there are. */
  async loadAll<A extends object>(
    { mapping, strategy = 'joined' }: AggregateType<A>,
    tree: AggregateTree,
    where: Readonly<Record<string, { readonly $in: readonly string[] }>>,
  ): Promise<A[]> {
    const populate = tree.populate as never;
    return (await this.manager.find(mapping, where as never, { populate, strategy })) as A[];
  }

  /** Sends what changed. `before` sees it first, and may send statements of its own. */
  async flush(before: BeforeFlush): Promise<void> {
    this.#isFlushing = true;
    const changes = this.manager.getUnitOfWork();
    hooks.set(changes, before);
    try {
      await this.manager.flush();
    } finally {
      hooks.delete(changes);
      this.#isFlushing = false;
    }
  }
}

const CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

/**
 * Has MikroORM update this entity before it inserts others, if it can; answers whether it will. It inserts first otherwise, and two
 * commands that each add a part would meet at a constraint of the parts instead of at the version of the root.
 */
export function updatesFirst(changes: UnitOfWork, entity: object): boolean {
  const change = changeOf(changes, entity);
  if (change?.type !== ChangeSetType.UPDATE) return false;
  const properties = change.meta.properties as Readonly<Record<string, EntityProperty>>;
  // A row that is referred to has to be there first.
  if (Object.keys(change.payload).some((name) => REFERENCES.has(properties[name]?.kind))) return false;
  change.type = ChangeSetType.UPDATE_EARLY;
  return true;
}

/** Whether MikroORM will update the row of an entity. */
export const isUpdated = (changes: UnitOfWork, entity: object): boolean =>
  changeOf(changes, entity)?.type === ChangeSetType.UPDATE;

const changeOf = (changes: UnitOfWork, entity: object) => changes.getChangeSets().find((change) => change.entity === entity);

const REFERENCES: ReadonlySet<unknown> = new Set([ReferenceKind.MANY_TO_ONE, ReferenceKind.ONE_TO_ONE]);
