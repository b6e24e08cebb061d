import { type CompiledQuery, sql } from 'kysely';
import { receivedAtOf } from '../../../kernel/command-log/received-at.ts';
import { shapedStatement } from '../../../kernel/database/read/read-statements.ts';
import { type OutcomeName, type RecordRow, SEQUENCE, SHOWN_COLUMNS, statements } from './command-log.ts';

/** Which records a list holds: those to which everything that is defined applies. */
export interface CommandList {
  readonly actor: string | undefined;
  readonly method: string | undefined;
  /** Id of an aggregate. */
  readonly target: string | undefined;
  readonly outcome: OutcomeName | undefined;
  /** RFC 3339, as in `receivedBound`: at or after it. */
  readonly from: string | undefined;
  /** Before it. */
  readonly to: string | undefined;
  /** Id of the first command of a chain, which is one of them. */
  readonly correlation: string | undefined;
}

/** Which filters there are, and whether the page begins behind a command. */
type PageShape = Readonly<Record<keyof CommandList | 'after', boolean>>;

interface PageValues extends CommandList {
  /** RFC 3339: when the first command of the chain was received. */
  readonly correlationTime: string | undefined;
  readonly after: string | undefined;
  readonly afterTime: string | undefined;
  readonly limit: number;
}

const page = shapedStatement<PageShape, PageValues, RecordRow>((has, value) => {
  let rows = statements
    .selectFrom('cqrs.command_log as record')
    .select(SHOWN_COLUMNS)
    .select(SEQUENCE)
    .orderBy('record.received_at', 'desc')
    .orderBy('record.command_id', 'desc')
    .limit(value('limit'));
  // The literal says in words that the planner can prove that the index of those who have a name holds all of them.
  if (has.actor) rows = rows.where('record.principal', '=', value('actor')).where('record.principal', '<>', sql.lit(''));
  if (has.method) rows = rows.where('record.method', '=', value('method'));
  if (has.target) rows = rows.where('record.aggregate_id', '=', value('target'));
  if (has.outcome) rows = rows.where('record.outcome', '=', value('outcome'));
  if (has.from) rows = rows.where('record.received_at', '>=', sql<Date>`${value('from')}::timestamptz`);
  if (has.to) rows = rows.where('record.received_at', '<', sql<Date>`${value('to')}::timestamptz`);
  // The chain that a command began. Each of the two is found in an index, the first command in the one partition of its time.
  if (has.correlation)
    rows = rows.where(sql<boolean>`(record.received_at, record.command_id) in (
    select received_at, command_id from cqrs.command_log where correlation_id = ${value('correlation')}::uuid
    union all
    select ${value('correlationTime')}::timestamptz, ${value('correlation')}::uuid)`);
  if (has.after) {
    const time = sql<Date>`${value('afterTime')}::timestamptz`;
    // The first condition follows from the second, and excludes the partitions of later months, which the second cannot.
    rows = rows
      .where('record.received_at', '<=', time)
      .where(sql<boolean>`(record.received_at, record.command_id) < (${time}, ${value('after')}::uuid)`);
  }
  return rows;
});

/**
 * The records of one page, the newest first, behind the command `after` if there is one. The text depends on which filters there
 * are and not on what they say. A list by time, actor or target is found in an index and costs the same wherever the page is; one by
 * method or outcome alone walks through time until the page is full.
 * A chain is short: it is found in an index, and sorted.
 */
export function pageStatement(list: CommandList, after: string | undefined, limit: number): CompiledQuery<RecordRow> {
  const { actor, method, target, outcome, from, to, correlation } = list;
  const shape = {
    actor: actor !== undefined,
    method: method !== undefined,
    target: target !== undefined,
    outcome: outcome !== undefined,
    from: from !== undefined,
    to: to !== undefined,
    correlation: correlation !== undefined,
    after: after !== undefined,
  };
  const correlationTime = correlation && receivedAtOf(correlation);
  return page(shape, { ...list, correlationTime, after, afterTime: after && receivedAtOf(after), limit });
}
