import { type CompiledQuery, type RawBuilder, sql } from 'kysely';
import { readStatements } from '../../database/read/read-statements.ts';
import type { Entry, List, Rows } from '../tail.ts';

/** A read model that can be watched: a table with one row for each aggregate of a type, kept by the commands' own transactions. */
export interface WatchedTable<Row extends object> {
  /** The type of the aggregates, as their events name it: `users.v1.User`. */
  readonly aggregateType: string;
  /** With its schema: `read.user_directory`. */
  readonly table: string;
  /** The column with the id of the aggregate. */
  readonly id: keyof Row & string;
  /** Everything that a message and `has` need. */
  readonly columns: readonly (keyof Row & string)[];
  /**
   * Types of events by which no row leaves a list. After every other one, those who watch a list that the row is not on are told that it was
   * removed: they may have had it.
   */
  readonly staying?: readonly string[];
}

/** What became of an aggregate: its last event of those that were read together, and its row as it was when they were read. */
export interface Change<Row> extends Entry {
  readonly id: string;
  /** Undefined where the read model has none. */
  readonly row: Row | undefined;
  /** Whether the row may have left a list. */
  readonly mayLeave: boolean;
}

/** How many places of the feed are looked at in one statement. */
const PAGE = 500;
/** How many aggregates one statement returns to those who are further behind. */
const CHANGED_PAGE = 500;
/** What a change takes, about, in bytes. */
const SIZE = 1_000;

const statements = readStatements<{ 'cqrs.sequencer': { readonly last_sequence: string } }>();
const lastSequence = statements.selectFrom('cqrs.sequencer').select('last_sequence').compile();

type ChangeRow<Row> = Row & { readonly watched_id: string; readonly watched_place: string; readonly watched_may_leave: boolean };
type PageRow<Row> = { readonly watched_end: string | null } & (ChangeRow<Row> | { readonly watched_id: null });

/**
 * The feed as a list of changes of one read model. A page is one statement: the aggregates that have events behind a place, each once, with
 * their rows. An event has its number after its transaction has committed, so whoever sees the number sees the row as that transaction left it,
 * or newer. A row is never older than one that was read with a lower `end` on the same database.
 */
export function changesOf<Row extends object>(watched: WatchedTable<Row>): List<Change<Row>> {
  const page = pageStatement(watched);
  return {
    pageSize: PAGE,
    size: () => SIZE,
    last: async (read) => BigInt((await read.rows(lastSequence))[0]?.last_sequence ?? 0),
    page: async (read, after) => {
      const rows = await read.rows(page, [String(after), [...(watched.staying ?? [])], watched.aggregateType]);
      const entries = rows.flatMap((row) => (row.watched_id === null ? [] : [toChange(row, watched)]));
      return { end: BigInt(rows[0]?.watched_end ?? after), entries };
    },
  };
}

/** Some of the aggregates that changed in a part of the feed. */
export interface ChangedPage<Row> {
  readonly changes: readonly Change<Row>[];
  /** Behind which id the next page begins. Undefined on the last page. */
  readonly next: string | undefined;
}

/** Reads the aggregates that have events behind a place, up to another one, in the order of their ids: each once, however many events it has. */
export type ReadChanged<Row> = (
  read: Rows,
  range: {
    readonly after: bigint;
    readonly through: bigint;
    readonly ids?: ReadonlySet<string> | undefined;
    readonly behind: string;
  },
) => Promise<ChangedPage<Row>>;

/** Below every other id. */
export const FIRST_ID = '00000000-0000-0000-0000-000000000000';

export function readChangedOf<Row extends object>(watched: WatchedTable<Row>): ReadChanged<Row> {
  const ofAny = changedStatement(watched, sql`true`);
  const ofSome = changedStatement(watched, sql`aggregate_id = any(${[]}::uuid[])`);
  return async (read, { after, through, ids, behind }) => {
    const parameters = [[...(watched.staying ?? [])], String(after), String(through), watched.aggregateType, behind];
    const rows = await (ids ? read.rows(ofSome, [...parameters, [...ids]]) : read.rows(ofAny, parameters));
    return {
      changes: rows.map((row) => toChange(row, watched)),
      next: rows.length === CHANGED_PAGE ? rows.at(-1)?.watched_id : undefined,
    };
  };
}

function toChange<Row extends object>(row: ChangeRow<Row>, { id }: WatchedTable<Row>): Change<Row> {
  const { watched_id, watched_place, watched_may_leave } = row;
  return { place: BigInt(watched_place), id: watched_id, row: row[id] === null ? undefined : row, mayLeave: watched_may_leave };
}

const columnsOf = <Row extends object>({ columns }: WatchedTable<Row>): RawBuilder<unknown> =>
  sql.join(columns.map((column) => sql.ref(`watched.${column}`)));

/** Parameters: the place, the types of events by which no row leaves a list, the type of the aggregates. The limit is in the text, for the planner. */
function pageStatement<Row extends object>(watched: WatchedTable<Row>): CompiledQuery<PageRow<Row>> {
  return sql<PageRow<Row>>`with place as materialized (
    select sequence, position from cqrs.feed where sequence > ${''}::bigint order by sequence limit ${sql.lit(PAGE)}
  ), changed as (
    select aggregate_id, max(sequence) as place, bool_or(type <> all(${[]}::text[])) as may_leave
    from place join cqrs.event using (position)
    where aggregate_type = ${''}
    group by aggregate_id
  )
  select (select max(sequence) from place) as watched_end, changed.aggregate_id as watched_id, changed.place as watched_place,
    changed.may_leave as watched_may_leave, ${columnsOf(watched)}
  from (select) as one
    left join changed on true
    left join ${sql.table(watched.table)} as watched on watched.${sql.ref(watched.id)} = changed.aggregate_id
  order by changed.place`.compile(statements);
}

/** Parameters: the types of events by which no row leaves a list, behind and up to which place, the type of the aggregates, the id before, the ids. */
function changedStatement<Row extends object>(
  watched: WatchedTable<Row>,
  isWanted: RawBuilder<unknown>,
): CompiledQuery<ChangeRow<Row>> {
  return sql<
    ChangeRow<Row>
  >`select changed.aggregate_id as watched_id, changed.place as watched_place, changed.may_leave as watched_may_leave,
    ${columnsOf(watched)}
  from (
    select aggregate_id, max(sequence) as place, bool_or(type <> all(${[]}::text[])) as may_leave
    from cqrs.feed join cqrs.event using (position)
    where sequence > ${''}::bigint and sequence <= ${''}::bigint
      and aggregate_type = ${''} and aggregate_id > ${''}::uuid and ${isWanted}
    group by aggregate_id
    order by aggregate_id
    limit ${sql.lit(CHANGED_PAGE)}
  ) as changed left join ${sql.table(watched.table)} as watched on watched.${sql.ref(watched.id)} = changed.aggregate_id
  order by changed.aggregate_id`.compile(statements);
}
