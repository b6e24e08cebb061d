import { randomUUIDv7 } from 'node:crypto';
import type { JsonObject } from '@bufbuild/protobuf';
import { createContextKey } from '@connectrpc/connect';
import { ChangeSetType, type EntityManager } from '@mikro-orm/core';
import type pg from 'pg';
import type { Cancellation } from '../../bus/cancellation.ts';
import type { Attempt, Target } from '../../command-log/command-record.ts';
import { ERASE_OWNED, type OwnerDigest, RENAME_OWNER } from '../../command-log/personal-owner.ts';
import { recordsParameter, STORE_RECORDS, successValues } from '../../command-log/store-records.ts';
import { readRows } from '../cancellable-query.ts';
import type { AggregateSql, EventValues, Statement } from './aggregate-sql.ts';
import type { AggregateType } from './aggregate-type.ts';
import { type AnsweredClaim, claimValues, KEY_CONSTRAINT, STORE_CLAIM } from './idempotency-keys.ts';
import { type StoredEvent, toStoredEvent } from './stored-event.ts';
import { WriteTransaction } from './write-transaction.ts';

/** What every event of a command has in common. */
export interface EventOrigin {
  readonly commandId: string;
  readonly occurredAt: Date;
  readonly traceparent: string;
  readonly newId: () => string;
}

interface Tracked {
  readonly type: AggregateType<object>;
  readonly aggregate: object;
  /** Undefined for a new aggregate. */
  readonly versionBefore: number | undefined;
  /** See `AggregateType.names`. */
  readonly namesBefore: readonly string[];
}

/** The aggregate that a command changed, with the events it recorded. */
interface Changed extends Tracked {
  readonly events: readonly { readonly id: string; readonly event: StoredEvent }[];
}

/** What is stored of the command itself together with what it changed. */
export interface CommandEnding {
  readonly attempt: Attempt;
  /** With an idempotency key: the claim and the answer. */
  readonly claim: AnsweredClaim | undefined;
}

const NO_NAMES: readonly string[] = [];

/** By which ids the rows of one write are stored. */
interface RowIds {
  readonly commandId: string;
  readonly ofEvent: (id: string) => string;
  readonly ofNewAggregate: (id: string) => string;
}

/** Of nobody, because those of a recorded command that is run again are taken. A rehearsal is rolled back, so that nobody sees them. */
const REHEARSED: RowIds = {
  get commandId() {
    return randomUUIDv7();
  },
  ofEvent: () => randomUUIDv7(),
  ofNewAggregate: () => randomUUIDv7(),
};

/** A handler changed an aggregate whose method recorded no event. It is a defect of the aggregate; nothing was stored. */
export class ChangeWithoutEvent extends Error {
  constructor({ method, type, id, properties }: { method: string; type: string; id: string; properties: readonly string[] }) {
    super(`${method} changed ${properties.join(', ')} of ${type} ${id}, and recorded no event: nothing of it is stored`);
    this.name = 'ChangeWithoutEvent';
  }
}

/** Another command under the same idempotency key was faster. The idempotency middleware answers it with what that one was answered. */
export class KeyClaimedMeanwhile extends Error {}

/**
 * Drops what is stored of an aggregate's personal data beside its row: in its events, in the records of commands about it or by it, and
 * in answers kept for idempotency keys, with the slow hashes of the requests. What happened, when and in which order stays.
 */
const ERASE_PERSONAL_DATA = `with event as (
    update cqrs.event set personal = null where aggregate_id = $1 and personal is not null
  ), record as (
    update cqrs.command_log set personal = null where (aggregate_id = $1 or principal = $1::text) and personal is not null
  )
  update cqrs.idempotency_key set secret = null, response = case when command_id = $2 then response end where aggregate_id = $1`;

/**
 * One try of a command: one transaction, begun when a repository first needs it. MikroORM makes aggregates of rows and finds what
 * changed in them; `commit` writes that, the events, the inline read models and the command's record in one statement.
 *
 * At most one aggregate may change, because that is what optimistic locking protects.
 */
export class UnitOfWork {
  readonly #pool: pg.Pool;
  readonly #manager: EntityManager;
  readonly #sql: (type: AggregateType<object>) => AggregateSql;
  readonly #origin: EventOrigin;
  readonly #cancellation: Cancellation;
  readonly #tryNumber: number;
  readonly #ownerDigest: OwnerDigest;
  readonly #tracked: Tracked[] = [];
  /** What the handler changed; undefined until it is done and somebody asks. */
  #changes: readonly Changed[] | undefined;
  #transaction: Promise<WriteTransaction> | undefined;

  constructor(parts: {
    pool: pg.Pool;
    manager: EntityManager;
    sql: (type: AggregateType<object>) => AggregateSql;
    origin: EventOrigin;
    cancellation: Cancellation;
    tryNumber: number;
    ownerDigest: OwnerDigest;
  }) {
    this.#pool = parts.pool;
    this.#manager = parts.manager;
    this.#sql = parts.sql;
    this.#origin = parts.origin;
    this.#cancellation = parts.cancellation;
    this.#tryNumber = parts.tryNumber;
    this.#ownerDigest = parts.ownerDigest;
  }

  /** Loads an aggregate by its id. What it records is stored at `commit`. */
  async find<A extends object>(type: AggregateType<A>, id: string): Promise<A | undefined> {
    const { select, selectForUpdate } = this.#sql(type);
    // Whoever lost once takes the row's lock before it decides again, and cannot lose the row a second time.
    const [row] = await this.query(this.#tryNumber === 1 ? select : selectForUpdate, [id]);
    if (!row) return undefined;
    const aggregate = this.#manager.map(type.mapping, row) as A;
    this.#tracked.push({
      type,
      aggregate,
      versionBefore: type.version(aggregate),
      namesBefore: type.names?.(aggregate) ?? NO_NAMES,
    });
    return aggregate;
  }

  /** Takes in a new aggregate. */
  add<A extends object>(type: AggregateType<A>, aggregate: A): void {
    this.#manager.persist(aggregate);
    this.#tracked.push({ type, aggregate, versionBefore: undefined, namesBefore: NO_NAMES });
  }

  /** Rows of a statement inside the transaction. */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    const { rows } = await (await this.#begin()).query<Row>(text, values);
    return rows;
  }

  #begin(): Promise<WriteTransaction> {
    this.#transaction ??= WriteTransaction.begin(this.#pool, this.#cancellation);
    return this.#transaction;
  }

  /** Rows of a single statement that reads, before and outside the transaction, which then need not be held open while the caller thinks. */
  queryOutside<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return readRows<Row>(this.#pool, { text, values }, this.#cancellation);
  }

  /** What the command is about: the aggregate that it changed, else the first one it loaded. Asked for when the handler is done. */
  get target(): Target | undefined {
    const [changed] = this.#changed();
    const [first] = this.#tracked;
    const { type, aggregate, versionBefore } = changed ?? first ?? {};
    if (!type || !aggregate) return undefined;
    return {
      aggregateType: type.name,
      aggregateId: type.id(aggregate),
      versionBefore,
      versionAfter: changed ? type.version(aggregate) : undefined,
      eventIds: changed?.events.map(({ id }) => id) ?? [],
    };
  }

  /**
   * Writes what changed and what is kept of the command, and commits. Throws Conflict when another command was faster,
   * KeyClaimedMeanwhile when it had the same idempotency key, and what a violated unique constraint stands for.
   */
  async commit(ending: CommandEnding): Promise<void> {
    const [last, ...before] = this.#statements(ending, this.#ownIds).reverse();
    if (!last) throw new Error('every command stores its record');
    await this.#run(async () => {
      for (const { text, values } of before.reverse()) await this.query(text, values);
      if (this.#cancellation.reason) throw this.#cancellation.reason;
      const transaction = await this.#begin();
      this.#transaction = undefined;
      await transaction.queryAndCommit(last.text, last.values);
    });
  }

  /** Writes as `commit` does, but under other ids, for a rehearsal that the caller rolls back. */
  async write(ending: CommandEnding): Promise<void> {
    await this.#run(async () => {
      for (const { text, values } of this.#statements(ending, REHEARSED)) await this.query(text, values);
    });
  }

  /** What the violation of a constraint means. */
  async #run(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const constraint = violatedConstraint(error);
      if (constraint === KEY_CONSTRAINT) throw new KeyClaimedMeanwhile();
      const [changed] = this.#changed();
      throw (constraint && changed?.type.violation(constraint, changed.aggregate)) || error;
    }
  }

  /** The events that the command recorded, as they are stored. Asked for when the handler is done. */
  get events(): Changed['events'] {
    return this.#changed().flatMap(({ events }) => events);
  }

  /** The aggregate that the command changed, as it leaves it: see `AggregateType.snapshot`. Asked for when the handler is done. */
  get state(): JsonObject | undefined {
    const [changed] = this.#changed();
    return changed?.type.snapshot?.(changed.aggregate);
  }

  /** Forgets what was done. Does nothing after `commit`. */
  async rollback(): Promise<void> {
    const transaction = await this.#transaction?.catch(() => undefined);
    this.#transaction = undefined;
    await transaction?.rollback();
  }

  #changed(): readonly Changed[] {
    this.#changes ??= this.#tracked.flatMap((tracked) => {
      const messages = tracked.type.events(tracked.aggregate);
      if (messages.length === 0) return [];
      return [{ ...tracked, events: messages.map((message) => ({ id: this.#origin.newId(), event: toStoredEvent(message) })) }];
    });
    return this.#changes;
  }

  get #ownIds(): RowIds {
    return { commandId: this.#origin.commandId, ofEvent: (id) => id, ofNewAggregate: (id) => id };
  }

  #statements(ending: CommandEnding, ids: RowIds): Statement[] {
    const [changed, another] = this.#changed();
    if (another) throw new Error('a command changed more than one aggregate');
    this.#refuseChangesWithoutEvent(changed, ending.attempt.method);
    if (!changed) return this.#statementsOfNoChange(ending);
    const { type, aggregate } = changed;
    const statement = this.#statement(changed, ending, ids);
    if (!type.erasesPersonalData(aggregate)) return [statement, ...this.#renaming(changed)];
    const owners = [type.id(aggregate), ...changed.namesBefore].map(this.#ownerDigest);
    const erasure = { text: ERASE_PERSONAL_DATA, values: [type.id(aggregate), this.#origin.commandId] };
    return [statement, { text: ERASE_OWNED, values: [owners] }, erasure];
  }

  /** What is recorded under a name that is given up is found by the id from now on: somebody else may take the name. */
  #renaming({ type, aggregate, namesBefore }: Changed): Statement[] {
    const names = type.names?.(aggregate) ?? NO_NAMES;
    if (namesBefore.every((name) => names.includes(name))) return [];
    const digests = namesBefore.map(this.#ownerDigest);
    const now = names.map(this.#ownerDigest);
    const givenUp = digests.filter((digest) => !now.some((other) => other.equals(digest)));
    if (givenUp.length === 0) return [];
    return [{ text: RENAME_OWNER, values: [givenUp, this.#ownerDigest(type.id(aggregate))] }];
  }

  /** A change is kept with its events or not at all: what the handler is about to answer would otherwise not be what is stored. */
  #refuseChangesWithoutEvent(changed: Changed | undefined, method: string): void {
    const changes = this.#manager.getUnitOfWork();
    changes.computeChangeSets();
    for (const { type, aggregate } of this.#tracked) {
      if (aggregate === changed?.aggregate) continue;
      const change = changes.getChangeSets().find(({ entity }) => entity === aggregate);
      if (change)
        throw new ChangeWithoutEvent({
          method,
          type: type.name,
          id: type.id(aggregate),
          properties: Object.keys(change.payload),
        });
    }
  }

  #statementsOfNoChange({ attempt, claim }: CommandEnding): Statement[] {
    const ended = { outcome: 'succeeded', code: 'OK', reason: '', dryRun: false, answeredBy: undefined } as const;
    const { target } = this;
    const record = { text: STORE_RECORDS, values: [recordsParameter([{ ...attempt, ...ended, target, owners: NO_NAMES }])] };
    if (!claim) return [record];
    return [record, { text: STORE_CLAIM, values: [...claimValues(claim), this.#origin.commandId, target?.aggregateId ?? null] }];
  }

  #statement(changed: Changed, { attempt, claim }: CommandEnding, ids: RowIds): Statement {
    const { type, aggregate, versionBefore } = changed;
    const sql = this.#sql(type);
    const change = this.#manager
      .getUnitOfWork()
      .getChangeSets()
      .find(({ entity }) => entity === aggregate);
    const isNew = change?.type === ChangeSetType.CREATE;
    const id = isNew ? ids.ofNewAggregate(type.id(aggregate)) : type.id(aggregate);
    const beside = {
      events: this.#eventValues(changed, id, ids),
      record: successValues(attempt, versionBefore),
      texts: sql.textsOf(aggregate),
      claim: claim && claimValues(claim),
    };
    const properties = (change?.payload ?? {}) as Record<string, unknown>;
    if (isNew) return sql.insert({ ...properties, [sql.keyProperty]: id }, beside);
    return sql.update({ writes: sql.writesOf(aggregate), properties }, beside);
  }

  #eventValues({ type, aggregate, events }: Changed, id: string, ids: RowIds): EventValues {
    const { traceparent, occurredAt } = this.#origin;
    return [
      type.name,
      id,
      type.version(aggregate),
      ids.commandId,
      traceparent,
      occurredAt.toISOString(),
      events.map((event) => ids.ofEvent(event.id)),
      events.map(({ event }) => event.type),
      events.map(({ event }) => event.payload),
      events.map(({ event }) => event.personal),
    ];
  }
}

function violatedConstraint(error: unknown): string | undefined {
  return error instanceof Error && 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
}

/** The unit of work of the command under way. */
export const unitOfWorkKey = createContextKey<UnitOfWork | undefined>(undefined, { description: 'unit of work' });
