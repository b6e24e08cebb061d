import type { Registry } from '@bufbuild/protobuf';
import type pg from 'pg';
import type { Logger } from 'pino';
import { type Loop, loop } from '../../background/loop.ts';
import { isAlive, SILENCE } from '../instances.ts';
import type { FeedHandler } from './feed-handler.ts';
import { type BatchReport, type RunningProcessor, startProcessor } from './processor.ts';
import { type Share, shift } from './shares.ts';

/** How often an instance looks at all processors, in milliseconds; sooner where the silence of an owner ends before. */
const LOOK = 500;
/** Under load, news come many times a second: one batch handles what came in so many milliseconds. */
const PACE = 40;
/** So much later than that, in milliseconds. */
const MARGIN = 10;

/** The end of the feed, as this process knows it. */
export interface FeedEnd {
  /** The number of the last event. */
  readonly lastSequence: number;
  /** Has `wake` called each time when there are new events, until the returned function is called. */
  readonly onNews: (wake: () => void) => () => void;
}

export interface ProcessorsOptions {
  readonly handlers: readonly FeedHandler[];
  /** The id of this process in cqrs.instance. */
  readonly instance: string;
  /** The primary, as the writer: for the batches. */
  readonly pool: Pick<pg.Pool, 'query'>;
  /** The same, for short statements that no batch may hold up. */
  readonly lookPool: Pick<pg.Pool, 'query'>;
  readonly news: FeedEnd;
  readonly eventTypes: Registry;
  readonly logger: Pick<Logger, 'warn' | 'info' | 'error'>;
  readonly report?: (batch: BatchReport) => void;
  /** Is called when this instance has set timers. */
  readonly onTimers?: () => void;
}

export interface Processors {
  /** Those that this instance runs now, such as `user_statistics 0`. */
  readonly own: () => readonly string[];
  /** Looks at once at who runs what. */
  readonly look: () => Promise<unknown>;
  /** Stops them, and tells the other instances that they are free. */
  readonly stop: () => Promise<void>;
}

/**
 * Runs processors: this instance those that are its share. Who has which is only there so that nobody works in vain: what keeps two from doing
 * anything twice is their statements (see `ProcessorStatements`). So an owner that is gone, or only stopped for a while, is replaced without asking it.
 */
export async function startProcessors(options: ProcessorsOptions): Promise<Processors> {
  const { handlers, instance, lookPool, news, logger } = options;
  const byName = new Map(handlers.map((handler) => [handler.name, handler]));
  const running = new Map<string, RunningProcessor>();
  /** Those that end, each with what remains to be done. */
  const ending = new Map<string, Promise<void>>();
  let freeBefore: ReadonlySet<string> = new Set();
  let nextLook = LOOK;
  await register(lookPool, handlers, logger);

  async function look(): Promise<void> {
    nextLook = LOOK;
    const { rows } = await lookPool.query<LookRow>(LOOK_AT_ALL, [[...byName.keys()].toSorted()]).catch((error: unknown) => {
      for (const processor of running.values()) processor.doubt();
      throw error;
    });
    const alive = rows[0]?.alive ?? [];
    const here = alive.includes(instance) ? alive : [...alive, instance];
    const shares = rows.map(shareOf);
    const { take, give } = shift(shares, { me: instance, alive: here, freeBefore });
    freeBefore = new Set(shares.filter(({ owner }) => owner === undefined).map(({ key }) => key));
    const ends = rows.flatMap(({ owner, silent_in }) => (owner === instance || silent_in === null ? [] : [silent_in + MARGIN]));
    nextLook = Math.max(MARGIN, Math.min(LOOK, ...ends));

    for (const row of rows) {
      const key = keyOf(row);
      if (row.owner !== instance) end(key);
      else if (give.includes(key)) end(key, () => lookPool.query(RELEASE, [instance, row.name, row.partition]));
      else begin(row)?.learn({ moves: Number(row.moves), paused: row.paused, retries: row.retries });
    }
    if (take.length > 0) await claim(rows.filter((row) => take.includes(keyOf(row))));
  }

  function begin(row: LookRow): RunningProcessor | undefined {
    const key = keyOf(row);
    const known = running.get(key);
    if (known || ending.has(key)) return known;
    const handler = byName.get(row.name);
    if (!handler) throw new Error(`there is no processor ${row.name}`);
    const started = startProcessor({
      ...options,
      handler,
      partition: row.partition,
      partitions: row.partitions,
      lastSequence: () => news.lastSequence,
    });
    running.set(key, started);
    return started;
  }

  async function claim(wanted: readonly LookRow[]): Promise<void> {
    const { rows } = await lookPool.query<{ name: string; partition: number }>(CLAIM, [
      instance,
      wanted.map(({ name }) => name),
      wanted.map(({ partition }) => partition),
    ]);
    const claimed = new Set(rows.map(keyOf));
    for (const row of wanted) if (claimed.has(keyOf(row))) begin(row);
  }

  /** It may be in the middle of a batch: nobody waits for that here. */
  function end(key: string, then: () => Promise<unknown> = async () => {}): void {
    const processor = running.get(key);
    if (!processor) return;
    running.delete(key);
    const ended = processor
      .stop()
      .then(then)
      .catch((error: unknown) => logger.warn({ err: error, processor: key }, 'a processor did not end as it should'))
      .then(() => void ending.delete(key));
    ending.set(key, ended);
  }

  const looking: Loop = loop({
    name: 'processors',
    every: () => nextLook,
    round: look,
    outage: {
      logger,
      fails: 'who runs which processor cannot be read',
      works: 'who runs which processor is read again',
    },
  });
  const waking = paced(PACE, () => {
    for (const processor of running.values()) processor.wake();
  });
  const forget = news.onNews(waking.call);

  return {
    own: () => [...running.keys()].toSorted(),
    look: looking.next,
    stop: async () => {
      forget();
      waking.stop();
      await looking.stop();
      for (const key of [...running.keys()]) end(key);
      await Promise.all(ending.values());
      await lookPool.query(RELEASE_ALL, [instance]);
    },
  };
}

/** Runs at once when it is called after a pause, and else when so many milliseconds are over since it ran. */
function paced(ms: number, run: () => void): { readonly call: () => void; readonly stop: () => void } {
  let last = 0;
  let timer: NodeJS.Timeout | undefined;
  const now = (): void => {
    timer = undefined;
    last = performance.now();
    run();
  };
  return {
    call: () => {
      if (timer) return;
      const wait = last + ms - performance.now();
      if (wait <= 0) now();
      else timer = setTimeout(now, wait).unref();
    },
    stop: () => clearTimeout(timer),
  };
}

interface LookRow {
  readonly name: string;
  readonly partition: number;
  readonly partitions: number;
  readonly moves: string;
  readonly paused: boolean;
  readonly owner: string | null;
  /** In so many milliseconds its owner counts as gone; null without one. */
  readonly silent_in: number | null;
  readonly retries: boolean;
  readonly alive: readonly string[];
}

const keyOf = ({ name, partition }: { readonly name: string; readonly partition: number }): string => `${name} ${partition}`;

const shareOf = (row: LookRow): Share => ({
  key: keyOf(row),
  owner: row.owner !== null && (row.silent_in ?? 0) > 0 ? row.owner : undefined,
});

/** A new processor begins; one that is there goes on, in as many partitions as it was begun in. */
async function register(
  pool: Pick<pg.Pool, 'query'>,
  handlers: readonly FeedHandler[],
  logger: Pick<Logger, 'warn'>,
): Promise<void> {
  for (const { name, kind, partitions, from, definition } of handlers) {
    await pool.query(REGISTER, [name, kind, partitions, from === 'now', definition]);
    const { rows } = await pool.query<{ partitions: number; definition: string }>(REGISTERED, [name]);
    const [known] = rows;
    if (known && known.partitions !== partitions)
      logger.warn(
        { processor: name, partitions: known.partitions, declared: partitions },
        `the ${kind} ${name} goes on in ${known.partitions} partitions, in which it was begun, and not in ${partitions}`,
      );
    if (known && kind === 'projection' && known.definition !== definition)
      logger.warn(
        { processor: name, made_by: known.definition, declared: definition },
        `the projection ${name} was made by other statements than it has now: what they made stays. Run \`bicameral projection rebuild ${name}\``,
      );
  }
}

const REGISTER = `insert into cqrs.processor (name, partition, partitions, kind, checkpoint, definition)
  select $1, partition, $3::integer, $2, case when $4::boolean then (select last_sequence from cqrs.sequencer) else 0 end, $5
  from generate_series(0, $3::integer - 1) as partition
  where not exists (select from cqrs.processor where name = $1)
  on conflict (name, partition) do nothing`;

const REGISTERED = 'select partitions, definition from cqrs.processor where name = $1 order by partition limit 1';

// Those that run another version of the service may not know a processor of this one: work is shared with those that run the same.
const LOOK_AT_ALL = `select name, partition, partitions, moves, paused, owner,
    (extract(epoch from owning.seen_at - clock_timestamp()) * 1000)::integer + ${SILENCE} as silent_in,
    exists (select from cqrs.dead_letter where dead_letter.processor = name and dead_letter.partition = processor.partition and retry) as retries,
    array(select id::text from cqrs.instance where ${isAlive('instance')} and instance.processors = $1) as alive
  from cqrs.processor left join cqrs.instance as owning on owning.id = processor.owner
  where name = any($1) order by name, partition`;

const CLAIM = `update cqrs.processor set owner = $1
  from unnest($2::text[], $3::integer[]) as wanted (name, partition)
  where processor.name = wanted.name and processor.partition = wanted.partition
    and not exists (select from cqrs.instance where instance.id = processor.owner and ${isAlive('instance')})
  returning processor.name, processor.partition`;

const RELEASE = 'update cqrs.processor set owner = null where owner = $1 and name = $2 and partition = $3';
const RELEASE_ALL = 'update cqrs.processor set owner = null where owner = $1';
