import { randomUUIDv7 } from 'node:crypto';
import type { JsonObject } from '@bufbuild/protobuf';
import { createContextKey } from '@connectrpc/connect';
import { ChangeSetType, OptimisticLockError } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import type { Call } from '../../bus/call.ts';
import type { DeclaredChanges } from '../../bus/command.ts';
import { traceKey } from '../../bus/context-keys.ts';
import { Conflict, domainError } from '../../bus/errors.ts';
import type { Attempt, Target } from '../../command-log/command-record.ts';
import type { OwnerDigest } from '../../command-log/personal-owner.ts';
import { recordsParameter, STORE_RECORDS, successValues } from '../../command-log/store-records.ts';
import { readRows } from '../cancellable-query.ts';
import { type AggregateSql, type EventValues, type SideEffects, type Statement, storeEventsOnly } from './aggregate-sql.ts';
import type { AggregateTree } from './aggregate-tree.ts';
import type { AggregateType, EventMessage } from './aggregate-type.ts';
import { byIdentity, type Changed, identityOf, type OnEvents, type ScriptedChange, type Tracked } from './changed-aggregates.ts';
import type { CommittedState } from './committed-state.ts';
import { type AnsweredClaim, type Claim, claimValues, KEY_CONSTRAINT, KEY_USED, keyOf, STORE_CLAIM } from './idempotency-keys.ts';
import { isUpdated, OrmSession, updatesFirst } from './orm-session.ts';
import { NO_NAMES, personalStatements } from './personal-statements.ts';
import { ChangeWithoutEvent, UndeclaredChange } from './refused-changes.ts';
import { type StoredEvent, toStoredEvent } from './stored-event.ts';
import { WriteTransaction } from './write-transaction.ts';

/** What is stored of the command itself together with what it changed. */
export interface CommandEnding {
  readonly attempt: Attempt;
  /** With an idempotency key: the claim and the answer. */
  readonly claim: AnsweredClaim | undefined;
}

/**
 * The idempotency key was used, by a command of before or one that was faster. The idempotency middleware answers with what that one was answered; to everybody
 * else it is a conflict. Running the command again would not help, so it is no `Conflict`.
 */
export class KeyClaimedMeanwhile extends domainError(ReasonSchema, Reason.CONFLICT) {
  constructor() {
    super('another command under the same idempotency key was faster; try again');
  }
}

/**
 * One try of a command: one transaction, begun when a repository first needs it.
 *
 * A flat aggregate, of one table, is made of its row by MikroORM, which also finds what changed in it; `commit` writes that, the events,
 * the inline read models and the command's record in one statement. An aggregate of several tables is loaded and flushed by MikroORM, and
 * so are several aggregates of one command: then `commit` writes the rest.
 *
 * One aggregate may change, because that is what optimistic locking protects, or those that the command declares.
 */
export class UnitOfWork {
  readonly #pool: pg.Pool;
  readonly #manager: SqlEntityManager;
  readonly #sql: (type: AggregateType<object>) => AggregateSql;
  readonly #call: Call;
  readonly #tryNumber: number;
  readonly #ownerDigest: OwnerDigest;
  readonly #erasures: readonly string[];
  readonly #declared: DeclaredChanges;
  readonly #onEvents: OnEvents | undefined;
  readonly #earlier: UnitOfWork | undefined;
  readonly #tracked: Tracked[] = [];
  #scripted: ScriptedChange[] | undefined;
  /** What the handler changed; undefined until it is done and somebody asks. */
  #changes: readonly Changed[] | undefined;
  #transaction: Promise<WriteTransaction> | undefined;
  #locking: Promise<void> | undefined;
  /** Undefined while the rows of flat aggregates are enough. */
  #orm: OrmSession | undefined;
  /** An idempotency key that nobody has looked for yet. */
  #soughtKey: Claim | undefined;
  /** In a rehearsal: which ids are sent in the place of which. */
  #standIns: ReadonlyMap<unknown, string> | undefined;

  constructor(parts: {
    pool: pg.Pool;
    manager: SqlEntityManager;
    sql: (type: AggregateType<object>) => AggregateSql;
    call: Call;
    tryNumber: number;
    ownerDigest: OwnerDigest;
    /** What modules erase of a person: see `erasureOf`. */
    erasures?: readonly string[];
    declared: DeclaredChanges;
    onEvents?: OnEvents;
    /** An idempotency key to look for, together with the first statement: see `query`. */
    soughtKey?: Claim | undefined;
    /** That of the try before this one. */
    earlier?: UnitOfWork | undefined;
  }) {
    this.#pool = parts.pool;
    this.#manager = parts.manager;
    this.#sql = parts.sql;
    this.#call = parts.call;
    this.#tryNumber = parts.tryNumber;
    this.#ownerDigest = parts.ownerDigest;
    this.#erasures = parts.erasures ?? NO_NAMES;
    this.#declared = parts.declared;
    this.#onEvents = parts.onEvents;
    this.#soughtKey = parts.soughtKey;
    this.#earlier = parts.earlier;
  }

  /** Loads an aggregate by its id: the same object each time. What it records is stored at `commit`. */
  async find<A extends object>(type: AggregateType<A>, id: string): Promise<A | undefined> {
    // Loaded again, it would be as it is stored, and what was changed in it would be lost.
    const known = this.#tracked.length > 0 ? this.#known(type, id) : undefined;
    if (known) return known;
    const sql = this.#sql(type);
    const { select, selectForUpdate, tree } = sql;
    if (this.#earlier) await this.#lockAgain(this.#earlier);
    if (tree) return this.#findTree(type, sql, tree, id);
    // Whoever lost once takes the row's lock before it decides again, and cannot lose the row a second time.
    const [row] = await this.query(this.#tryNumber === 1 ? select : selectForUpdate, [id]);
    if (!row) return undefined;
    const aggregate = this.#manager.map(type.mapping, row) as A;
    this.#track(type, aggregate, undefined);
    return aggregate;
  }

  /** What the command has already, by its id in either case: PostgreSQL reads UUIDs so (RFC 9562, 4). */
  #known<A extends object>(type: AggregateType<A>, id: string): A | undefined {
    const isIt = (tracked: Tracked): boolean =>
      tracked.type.name === type.name && type.id(tracked.aggregate as A).toLowerCase() === id.toLowerCase();
    return this.#tracked.find(isIt)?.aggregate as A | undefined;
  }

  /**
   * Locks what the try before had loaded, when that was more than one aggregate: in the order in which `commit` locks. In the order in
   * which the handler asks for them, two commands that have both lost could wait for each other.
   */
  #lockAgain(earlier: UnitOfWork): Promise<void> {
    this.#locking ??= (async () => {
      const loaded = earlier.#tracked.filter(({ versionBefore }) => versionBefore !== undefined);
      if (loaded.length < 2) return;
      for (const { type, aggregate } of loaded.toSorted(byIdentity)) await this.query(this.#sql(type).lock, [type.id(aggregate)]);
    })();
    return this.#locking;
  }

  async #findTree<A extends object>(
    type: AggregateType<A>,
    sql: AggregateSql,
    tree: AggregateTree,
    id: string,
  ): Promise<A | undefined> {
    await this.#lookForKey();
    if (this.#tryNumber > 1) await this.query(sql.lock, [id]);
    const aggregate = await this.#session().load(type, tree, { [sql.keyProperty]: id });
    if (aggregate) this.#track(type, aggregate, tree.partsOf(aggregate));
    return aggregate;
  }

  #track<A extends object>(type: AggregateType<A>, aggregate: A, partsBefore: ReadonlySet<object> | undefined): void {
    if (this.#tracked.some((tracked) => tracked.aggregate === aggregate)) return;
    const versionBefore = type.version(aggregate);
    this.#tracked.push({ type, aggregate, versionBefore, namesBefore: type.names?.(aggregate) ?? NO_NAMES, partsBefore });
  }

  /** Takes in a new aggregate. */
  add<A extends object>(type: AggregateType<A>, aggregate: A): void {
    if (this.#sql(type).tree) this.#session();
    this.#manager.persist(aggregate);
    this.#tracked.push({ type, aggregate, versionBefore: undefined, namesBefore: NO_NAMES, partsBefore: undefined });
  }

  /**
   * MikroORM's EntityManager in the transaction of the command, for a script: a command that works on tables as they are. `changed` has
   * to say what it came to. What is not flushed by the handler is flushed at `commit`.
   */
  get manager(): SqlEntityManager {
    return this.#session().manager;
  }

  /** Says what a script changed, whether by `manager` or by `query`. Its events are stored at `commit`. */
  changed(change: ScriptedChange): void {
    this.#scripted ??= [];
    this.#scripted.push(change);
  }

  /**
   * Rows of a statement inside the transaction. The first one takes the look for the idempotency key with it, which costs no exchange of its own
   * so. It throws KeyClaimedMeanwhile when that was used, and the command need not go on.
   */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    const key = this.#soughtKey;
    if (!key) return (await this.#send<Row>(text, values)).rows;
    this.#soughtKey = undefined;
    const look = { text: KEY_USED, values: keyOf(key) };
    const [{ rowCount: used }, { rows }] = await (await this.#begin()).queryBehind<Row>(look, text, values);
    if (used) throw new KeyClaimedMeanwhile();
    return rows;
  }

  /** By itself, where MikroORM sends what comes first. */
  async #lookForKey(): Promise<void> {
    const key = this.#soughtKey;
    if (!key) return;
    this.#soughtKey = undefined;
    const { rowCount: used } = await this.#send(KEY_USED, keyOf(key));
    if (used) throw new KeyClaimedMeanwhile();
  }

  async #send<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<pg.QueryResult<Row>> {
    const sent = this.#standIns ? withStandIns(values, this.#standIns) : values;
    return (await this.#begin()).query<Row>(text, sent);
  }

  #begin(): Promise<WriteTransaction> {
    this.#transaction ??= WriteTransaction.begin(this.#pool, this.#call.cancellation);
    return this.#transaction;
  }

  #session(): OrmSession {
    this.#orm ??= new OrmSession(this.#manager, (text, values) => this.#send(text, values));
    return this.#orm;
  }

  /** Rows of a single statement that reads, before and outside the transaction, which then need not be held open while the caller thinks. */
  queryOutside<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return readRows<Row>(this.#pool, { text, values }, this.#call.cancellation);
  }

  /** What the command is about: the aggregate that it changed, else the first one it loaded. Asked for when the handler is done. */
  get target(): Target | undefined {
    const all = this.#changed();
    const [changed] = all;
    if (changed) {
      const { aggregateType, aggregateId, versionBefore, version } = changed;
      const eventIds = all.flatMap(({ stored }) => stored.map(({ id }) => id));
      return { aggregateType, aggregateId, versionBefore, versionAfter: version, eventIds };
    }
    const [first] = this.#tracked;
    if (!first) return undefined;
    const { type, aggregate, versionBefore } = first;
    return {
      aggregateType: type.name,
      aggregateId: type.id(aggregate),
      versionBefore,
      versionAfter: undefined,
      eventIds: [],
    };
  }

  /**
   * Writes what changed and what is kept of the command, and commits. Throws Conflict when another command was faster,
   * KeyClaimedMeanwhile when it had the same idempotency key, and what a violated unique constraint stands for. Returns what the database
   * has since.
   */
  async commit(ending: CommandEnding): Promise<CommittedState> {
    return await this.#run(async () => {
      const statements = await this.#statements(ending);
      const { cancellation } = this.#call;
      if (cancellation.reason) throw cancellation.reason;
      const transaction = await this.#begin();
      this.#transaction = undefined;
      const committed = await transaction.queryAndCommit(statements);
      if (this.#changed().length > 0) this.#onEvents?.(this.#changed());
      return committed;
    });
  }

  /**
   * Writes as `commit` does, for a rehearsal that the caller rolls back, so that nobody sees it. The ids that the command gave out and
   * those of its new aggregates are others there: those of a recorded command that is run again are in use.
   */
  async write(ending: CommandEnding): Promise<void> {
    await this.#run(async () => {
      // Its events have ids of the command too.
      this.#changed();
      const own = [this.#call.id, ...this.#call.givenIds(), ...this.#newIds()];
      this.#standIns = new Map(own.map((id) => [id, randomUUIDv7()]));
      for (const { text, values } of await this.#statements(ending)) await this.query(text, values);
    });
  }

  #newIds(): readonly string[] {
    return this.#tracked.flatMap(({ type, aggregate, versionBefore }) =>
      versionBefore === undefined ? [type.id(aggregate)] : [],
    );
  }

  /** What the violation of a constraint means. */
  async #run<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (error instanceof OptimisticLockError) throw new Conflict(error);
      const constraint = violatedConstraint(error);
      if (constraint === undefined) throw error;
      if (constraint === KEY_CONSTRAINT) throw new KeyClaimedMeanwhile();
      for (const { tracked } of this.#changed()) {
        const meaning = tracked?.type.violation(constraint, tracked.aggregate);
        if (meaning) throw meaning;
      }
      throw error;
    }
  }

  /** The events that the command recorded, as they are stored. Asked for when the handler is done. */
  get events(): readonly { readonly id: string; readonly event: StoredEvent; readonly aggregateVersion: number }[] {
    return this.#changed().flatMap(({ stored, version }) => stored.map((event) => ({ ...event, aggregateVersion: version })));
  }

  /** The aggregate that the command is about, as it leaves it: see `AggregateType.snapshot`. Asked for when the handler is done. */
  get state(): JsonObject | undefined {
    const tracked = this.#changed()[0]?.tracked;
    return tracked?.type.snapshot?.(tracked.aggregate);
  }

  /** Forgets what was done. Does nothing after `commit`. */
  async rollback(): Promise<void> {
    const transaction = await this.#transaction?.catch(() => undefined);
    this.#transaction = undefined;
    await transaction?.rollback();
  }

  #changed(): readonly Changed[] {
    if (this.#changes) return this.#changes;
    const changed: Changed[] = [];
    for (const tracked of this.#tracked) {
      const { type, aggregate, versionBefore } = tracked;
      const events = type.events(aggregate);
      if (events.length > 0)
        changed.push({ ...identityOf(tracked), versionBefore, events, stored: this.#toStored(events), tracked });
    }
    for (const change of this.#scripted ?? [])
      changed.push({ ...change, stored: this.#toStored(change.events), tracked: undefined });
    this.#changes = this.#inOrder(changed);
    return this.#changes;
  }

  #toStored(events: readonly EventMessage[]): Changed['stored'] {
    return events.map((message) => ({ id: this.#call.newId(), event: toStoredEvent(message) }));
  }

  /** What a command is about comes first where it declares several. */
  #inOrder(changed: readonly Changed[]): readonly Changed[] {
    if (changed.length < 2) return changed;
    const declared = this.#declared.get(this.#call.method) ?? [];
    return changed.toSorted((a, b) => declared.indexOf(a.aggregateType) - declared.indexOf(b.aggregateType));
  }

  async #statements(ending: CommandEnding): Promise<Statement[]> {
    const changed = this.#changed();
    const { method } = ending.attempt;
    const [first, another] = changed;
    if (another && !this.#declares(changed)) throw new UndeclaredChange(method, changed);
    if (this.#orm || another || (first && !first.tracked)) return this.#statementsAfterFlush(changed, ending);
    const changes = this.#manager.getUnitOfWork();
    changes.computeChangeSets();
    this.#refuseChangesWithoutEvent(changed, changes, method);
    if (!first?.tracked) return this.#statementsOfNoAggregate(ending);
    return [this.#statement(first, first.tracked, ending), ...this.#personalStatements(first.tracked)];
  }

  #declares(changed: readonly Changed[]): boolean {
    const declared = this.#declared.get(this.#call.method);
    return declared !== undefined && changed.every(({ aggregateType }) => declared.includes(aggregateType));
  }

  /** Has MikroORM write the rows; what is answered is to be sent after that. */
  async #statementsAfterFlush(changed: readonly Changed[], ending: CommandEnding): Promise<Statement[]> {
    const session = this.#session();
    let before: ReadonlyMap<object, unknown> = new Map();
    await session.flush(async (changes) => {
      this.#refuseChangesWithoutEvent(changed, changes, ending.attempt.method);
      before = await this.#lockRoots(changed, changes);
    });
    if (changed.length === 0 && session.writtenByHandler !== undefined)
      throw new ChangeWithoutEvent({
        method: ending.attempt.method,
        of: 'a script',
        properties: [`rows (${session.writtenByHandler})`],
      });
    // One aggregate takes the record with it; of several, and of a script, it stands by itself.
    const isOne = changed.length === 1 && changed[0]?.tracked !== undefined;
    return [
      ...changed.map((change) => this.#statementBeside(change, before, isOne ? ending : undefined)),
      ...(isOne ? [] : this.#statementsOfNoAggregate(ending)),
      ...changed.flatMap((change) => (change.tracked ? this.#personalStatements(change.tracked) : [])),
    ];
  }

  /**
   * Locks every root that the command changes, before anything is written of its parts: who was overtaken learns it there. The order is
   * always the same, so that commands do not wait for each other. MikroORM counts the write of a root that it updates; the others are
   * counted here. Answers the rows as they were before, where projections read them.
   */
  async #lockRoots(changed: readonly Changed[], changes: OrmChanges): Promise<ReadonlyMap<object, unknown>> {
    const kept = changed.flatMap(({ tracked }) => (tracked?.versionBefore === undefined ? [] : [tracked]));
    const before = new Map<object, unknown>();
    for (const { type, aggregate } of kept.toSorted(byIdentity)) {
      const sql = this.#sql(type);
      if (kept.length === 1 && !sql.readsBefore && updatesFirst(changes, aggregate)) continue;
      const lock = isUpdated(changes, aggregate) ? sql.lockUnwritten : sql.countWrite;
      const [row] = await this.query<{ before: unknown }>(lock, [type.id(aggregate), sql.writesOf(aggregate)]);
      if (!row) throw new Conflict();
      before.set(aggregate, row.before);
    }
    return before;
  }

  #personalStatements(tracked: Tracked): Statement[] {
    return personalStatements(tracked, {
      commandId: this.#call.id,
      ownerDigest: this.#ownerDigest,
      erasures: this.#erasures,
    });
  }

  /** A change is kept with its events or not at all: what the handler is about to answer would otherwise not be what is stored. */
  #refuseChangesWithoutEvent(changed: readonly Changed[], changes: OrmChanges, method: string): void {
    const isChanged = (aggregate: object): boolean => changed.some(({ tracked }) => tracked?.aggregate === aggregate);
    for (const change of changes.getChangeSets()) {
      if (!isChanged(change.entity)) this.#refuseUnless(isChanged, change.entity, { method, properties: changedIn(change) });
      else if (change.type === ChangeSetType.DELETE)
        throw new Error(`${method} removed an aggregate: it can only be marked as removed`);
    }
    for (const { owner, property } of changes.getCollectionUpdates())
      if (!isChanged(owner)) this.#refuseUnless(isChanged, owner, { method, properties: [property.name] });
  }

  /** What belongs to an aggregate counts as it; what belongs to none is a script's, which has said what it changed, or nobody's. */
  #refuseUnless(
    isChanged: (aggregate: object) => boolean,
    entity: object,
    change: { method: string; properties: readonly string[] },
  ): void {
    const owner = this.#tracked.find(
      ({ type, aggregate, partsBefore }) =>
        aggregate === entity || partsBefore?.has(entity) || this.#sql(type).tree?.partsOf(aggregate).has(entity),
    );
    if (owner ? isChanged(owner.aggregate) : this.#scripted) return;
    const { aggregateType, aggregateId } = owner
      ? identityOf(owner)
      : { aggregateType: entity.constructor.name, aggregateId: '' };
    const isPart = owner && owner.aggregate !== entity;
    const properties = isPart ? change.properties.map((name) => `${entity.constructor.name} ${name}`) : change.properties;
    throw new ChangeWithoutEvent({ ...change, properties, of: `${aggregateType} ${aggregateId}`.trimEnd() });
  }

  /** The record and the key, of a command that changed no aggregate or more than one. */
  #statementsOfNoAggregate({ attempt, claim }: CommandEnding): Statement[] {
    const ended = { outcome: 'succeeded', code: 'OK', reason: '', dryRun: false, answeredBy: undefined } as const;
    const { target } = this;
    const record = { text: STORE_RECORDS, values: [recordsParameter([{ ...attempt, ...ended, target, owners: NO_NAMES }])] };
    if (!claim) return [record];
    return [record, { text: STORE_CLAIM, values: [...claimValues(claim), this.#call.id, target?.aggregateId ?? null] }];
  }

  #statement(changed: Changed, { aggregate, type }: Tracked, ending: CommandEnding): Statement {
    const sql = this.#sql(type);
    const change = this.#manager
      .getUnitOfWork()
      .getChangeSets()
      .find(({ entity }) => entity === aggregate);
    const properties = (change?.payload ?? {}) as Record<string, unknown>;
    const beside = this.#beside(changed, sql, ending);
    if (change?.type === ChangeSetType.CREATE) return sql.insert(properties, beside);
    return sql.update({ writes: sql.writesOf(aggregate), properties }, beside);
  }

  #statementBeside(changed: Changed, before: ReadonlyMap<object, unknown>, ending: CommandEnding | undefined): Statement {
    const { tracked } = changed;
    if (!tracked) return storeEventsOnly(this.#eventValues(changed));
    const sql = this.#sql(tracked.type);
    return sql.beside(before.get(tracked.aggregate) ?? null, this.#beside(changed, sql, ending));
  }

  #beside(changed: Changed, sql: AggregateSql, ending: CommandEnding | undefined): SideEffects {
    return {
      events: this.#eventValues(changed),
      data: sql.dataOf(changed.events),
      texts: changed.tracked ? sql.textsOf(changed.tracked.aggregate) : [],
      record: ending && successValues(ending.attempt, changed.versionBefore),
      claim: ending?.claim && claimValues(ending.claim),
    };
  }

  #eventValues({ aggregateType, aggregateId, version, stored }: Changed): EventValues {
    return [
      aggregateType,
      aggregateId,
      version,
      this.#call.id,
      this.#call.contextValues.get(traceKey)?.traceparent ?? '',
      this.#call.receivedAt.toISOString(),
      stored.map(({ id }) => id),
      stored.map(({ event }) => event.type),
      stored.map(({ event }) => event.payload),
      stored.map(({ event }) => event.personal),
    ];
  }
}

type OrmChanges = ReturnType<SqlEntityManager['getUnitOfWork']>;

/** What changed of an entity, in words. */
function changedIn({ type, payload }: ReturnType<OrmChanges['getChangeSets']>[number]): readonly string[] {
  if (type === ChangeSetType.UPDATE) return Object.keys(payload);
  return [type === ChangeSetType.CREATE ? '(added)' : '(removed)'];
}

/** Values, also within arrays, some of them replaced. */
function withStandIns(values: readonly unknown[], standIns: ReadonlyMap<unknown, string>): readonly unknown[] {
  return values.map((value) => (Array.isArray(value) ? withStandIns(value, standIns) : (standIns.get(value) ?? value)));
}

function violatedConstraint(error: unknown): string | undefined {
  return error instanceof Error && 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
}

/** The unit of work of the command under way. */
export const unitOfWorkKey = createContextKey<UnitOfWork | undefined>(undefined, { description: 'unit of work' });
