import type pg from 'pg';
import { isAlive } from '../instances.ts';
import type { Rebuildable } from './rebuildable.ts';

type Queryable = Pick<pg.Pool | pg.ClientBase, 'query'>;

/** It was cancelled, or another instance goes on with it. */
export class RebuildLost extends Error {
  constructor() {
    super('the rebuild was cancelled, or has another owner');
    this.name = 'RebuildLost';
  }
}

/** The projection cannot be made anew; the message says why, in words that may be stored and shown. */
export class RebuildFailed extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'RebuildFailed';
  }
}

/** How far a job is, as cqrs.rebuild has it. */
export interface RebuildRow {
  readonly id: string;
  readonly projection: string;
  readonly verify: boolean;
  /** What is done now, for people; empty before it begins. */
  readonly step: string;
  readonly place: string;
  readonly key: string | null;
  readonly done: string;
  readonly definition: string;
}

/** What is done, for people. */
export const STEPS = {
  events: 'folding events',
  rows: 'reading rows',
  indexes: 'making indexes',
  changes: 'catching up',
  compare: 'comparing',
} as const;

/** What has been compared, and differs. */
export interface Differences {
  readonly count: number;
  readonly first: readonly Difference[];
}

export interface Difference {
  readonly table: string;
  /** The primary key of the row: its columns, with a comma between them. */
  readonly key: string;
  /** The live table lacks the row, has it for no reason, or has other values in these columns. */
  readonly kind: 'missing' | 'surplus' | 'changed';
  readonly columns: readonly string[];
}

/**
 * One job, as this instance holds it. Every change of its row is made only while it is still its owner's and not cancelled: whoever was
 * stopped for a while, and replaced, does nothing when it comes back. Throws RebuildLost then.
 */
export class RebuildJob {
  readonly id: string;
  readonly owner: string;
  readonly verify: boolean;
  readonly projection: Rebuildable;
  place: number;
  key: string | null;
  done: number;
  #step: string;
  readonly #definition: string;

  constructor(row: RebuildRow, projection: Rebuildable, owner: string) {
    this.id = row.id;
    this.owner = owner;
    this.verify = row.verify;
    this.projection = projection;
    this.place = Number(row.place);
    this.key = row.key;
    this.done = Number(row.done);
    this.#step = row.step;
    this.#definition = row.definition;
  }

  /** Whether its tables are there and can be gone on with. While they are compared, nothing says how far they were. */
  get canGoOn(): boolean {
    return this.#step !== '' && this.#step !== STEPS.compare && this.#definition === this.projection.definition;
  }

  get step(): string {
    return this.#step;
  }

  /** Begins it, anew where it had begun. */
  async begin(client: Queryable, { step, place, total }: { step: string; place: number; total: number }): Promise<void> {
    await this.#change(client, `step = $3, place = $4, done = 0, total = $5, key = null, left_out = '{}', definition = $6`, [
      step,
      place,
      total,
      this.projection.definition,
    ]);
    this.#step = step;
    this.place = place;
    this.key = null;
    this.done = 0;
  }

  async enter(client: Queryable, step: string): Promise<void> {
    await this.#change(client, 'step = $3', [step]);
    this.#step = step;
  }

  async succeed(client: Queryable, differences?: Differences): Promise<void> {
    await this.#change(client, `state = 'done', finished_at = clock_timestamp(), differences = $3, difference_count = $4`, [
      differences ? JSON.stringify(differences.first) : null,
      differences?.count ?? null,
    ]);
  }

  async fail(client: Queryable, error: string): Promise<void> {
    await this.#change(client, `state = 'failed', finished_at = clock_timestamp(), error = $3`, [error]);
  }

  /** Leaves it to another instance. */
  async release(client: Queryable): Promise<void> {
    await client.query('update cqrs.rebuild set owner = null where id = $1 and owner = $2', [this.id, this.owner]);
  }

  async #change(client: Queryable, set: string, values: readonly unknown[]): Promise<void> {
    const { rowCount } = await client.query(`update cqrs.rebuild set ${set}, updated_at = clock_timestamp() where ${IS_HELD}`, [
      this.id,
      this.owner,
      ...values,
    ]);
    if (rowCount !== 1) throw new RebuildLost();
  }
}

/** Whether a job is still that of its owner; the parameters are its id and the owner. */
export const IS_HELD = `id = $1::uuid and owner = $2::uuid and state = 'running'`;

// One at a time in the whole service: together they would only share the disk.
const IS_FREE = `state = 'running' and projection = any($2) and not exists (
    select from cqrs.rebuild as held join cqrs.instance on instance.id = held.owner
    where held.state = 'running' and held.owner <> $1 and ${isAlive('instance')})`;

/** Takes the oldest job that nobody works on. Parameters: the instance, the projections that it knows. */
export const CLAIM = `update cqrs.rebuild set owner = $1 where id = (
    select id from cqrs.rebuild where ${IS_FREE} order by started_at limit 1 for update skip locked)
  returning id, projection, verify, step, place, key, done, definition`;

/** A row of `LOOK`. */
export interface Look {
  readonly is_due: boolean;
  /** Tables beside that no running job needs. */
  readonly leftovers: readonly string[];
}

/** What there is to do. The parameters of `CLAIM`, and the tables of each of these projections as JSON. */
export const LOOK = `select exists (select from cqrs.rebuild where ${IS_FREE}) as is_due,
  array(
    select 'read.' || relname from pg_class where relnamespace = to_regnamespace('rebuild') and relkind = 'r'
      and not exists (select from cqrs.rebuild where state = 'running'
        and coalesce(strpos($3::jsonb ->> projection, '"read.' || relname || '"') > 0, true))
  ) as leftovers`;

/** Keeps two transactions from making and dropping tables beside at once. */
export const LOCK_TABLES = `select pg_advisory_xact_lock(hashtext('cqrs.rebuild'))`;
