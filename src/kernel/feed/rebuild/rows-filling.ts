import type pg from 'pg';
import type { AggregateRows } from '../../database/write/aggregate-rows.ts';
import { statementOf } from '../../database/write/aggregate-type.ts';
import { BatchSize } from './batch-size.ts';
import { type Filling, type Goal, lastSequence, numberAll, type RebuildTools } from './filling.ts';
import { IS_HELD, type RebuildJob, RebuildLost, STEPS } from './rebuild-job.ts';
import { beside, type RebuildableOfRows } from './rebuildable.ts';

type Queryable = Pick<pg.Pool | pg.ClientBase, 'query'>;

/** Before all ids. */
const NIL = '00000000-0000-0000-0000-000000000000';
/** See `EventsFilling`. */
const NEAR = 2_000;

/** An aggregate of a batch: its id, and its texts where the projection has some. */
interface Input {
  readonly aggregate_id: string;
  readonly texts?: readonly string[];
}

/**
 * Fills the tables of a projection of rows: first from the rows of all aggregates, in the order of their ids, then again from those that have had
 * events since that began. No aggregate changes without an event.
 */
export class RowsFilling implements Filling {
  readonly #job: RebuildJob;
  readonly #projection: RebuildableOfRows;
  readonly #tools: RebuildTools;
  readonly #rows: AggregateRows;
  readonly #size = new BatchSize();
  readonly #fill: string;
  readonly #followUp: string;

  constructor(job: RebuildJob, projection: RebuildableOfRows, tools: RebuildTools) {
    this.#job = job;
    this.#projection = projection;
    this.#tools = tools;
    this.#rows = tools.rowsOf(projection.type);
    const { name, tables } = projection.projection;
    const write = (moved: string): string => `with input as materialized (
  select aggregate_id, texts as ${name} from jsonb_to_recordset($4::jsonb) as input (aggregate_id uuid, texts text[])),
moved as (update cqrs.rebuild set ${moved}, updated_at = clock_timestamp() where ${IS_HELD} and place = $3::bigint returning id),
written as materialized (select row.* from moved cross join (${this.#rows.written}) as row),
${name} as (${statementOf(projection.projection, beside(tables ?? {}))})
select exists (select from moved) as moved`;
    this.#fill = write('key = $5::uuid, done = done + $6, total = greatest(total, done + $6)');
    this.#followUp = write('place = $5::bigint');
  }

  /** What is committed from now on has a later number, or none yet. */
  async begin(client: pg.ClientBase): Promise<void> {
    const place = await lastSequence(client);
    await this.#job.begin(client, { step: STEPS.rows, place, total: await this.#rows.count(client) });
  }

  async fill(): Promise<void> {
    const { pool, lookPool, signal } = this.#tools;
    const job = this.#job;
    while (job.step === STEPS.rows) {
      signal.throwIfAborted();
      const began = performance.now();
      const size = this.#size.value;
      const ids = await this.#rows.idsBehind(pool, job.key ?? NIL, size);
      if (ids.length > 0) await this.#write(pool, ids);
      if (ids.length < size) await job.enter(pool, STEPS.changes);
      else this.#size.learn(performance.now() - began);
    }
    for (let upTo = await lastSequence(lookPool); upTo - job.place > NEAR; upTo = await lastSequence(lookPool)) {
      signal.throwIfAborted();
      await this.#follow(pool, Math.min(upTo, job.place + this.#size.value));
    }
  }

  async goal(): Promise<Goal> {
    return { upTo: await numberAll(this.#tools.lookPool) };
  }

  async rest(client: pg.ClientBase, { upTo }: Goal): Promise<void> {
    while (this.#job.place < upTo) await this.#follow(client, Math.min(upTo, this.#job.place + this.#size.value));
  }

  async #write(client: Queryable, ids: readonly string[]): Promise<void> {
    const last = ids.at(-1) ?? NIL;
    await this.#send(client, this.#fill, [await this.#inputs(client, ids), last, ids.length]);
    this.#job.key = last;
    this.#job.done += ids.length;
  }

  /** Those that the feed says have changed. */
  async #follow(client: Queryable, upTo: number): Promise<void> {
    const { rows } = await client.query<{ id: string }>(CHANGED, [this.#job.place, upTo, this.#projection.type.name]);
    await this.#send(client, this.#followUp, [
      await this.#inputs(
        client,
        rows.map(({ id }) => id),
      ),
      upTo,
    ]);
    this.#job.place = upTo;
  }

  async #send(client: Queryable, text: string, values: readonly unknown[]): Promise<void> {
    const { id, owner, place } = this.#job;
    const { rows } = await client.query<{ moved: boolean }>(text, [id, owner, place, ...values]);
    if (!rows[0]?.moved) throw new RebuildLost();
  }

  /** An aggregate that changes between this and the statement has an event, and comes again. */
  async #inputs(client: Queryable, ids: readonly string[]): Promise<string> {
    const { projection } = this.#projection;
    const inputs: Input[] =
      projection.texts && ids.length > 0
        ? (await this.#rows.load(client, ids)).map(({ id, aggregate }) => ({
            aggregate_id: id,
            texts: projection.texts?.(aggregate) ?? [],
          }))
        : ids.map((id) => ({ aggregate_id: id }));
    return JSON.stringify(inputs);
  }
}

const CHANGED = `select distinct aggregate_id as id from cqrs.feed join cqrs.event using (position)
  where sequence > $1 and sequence <= $2 and aggregate_type = $3`;
