import { type CompiledQuery, sql } from 'kysely';
import { receivedAtOf } from '../../../kernel/command-log/received-at.ts';
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

/**
 * The records of one page, the newest first, behind the command `after` if there is one. The text depends on which filters there
 * are and not on what they say. A list by time, actor or target is found in an index and costs the same wherever the page is; one by
 * method or outcome alone walks through time until the page is full.
 * A chain is short: it is found in an index, and sorted.
 */
export function pageStatement(list: CommandList, after: string | undefined, limit: number): CompiledQuery<RecordRow> {
  let rows = statements
    .selectFrom('cqrs.command_log as record')
    .select(SHOWN_COLUMNS)
    .select(SEQUENCE)
    .orderBy('record.received_at', 'desc')
    .orderBy('record.command_id', 'desc')
    .limit(limit);
  // The literal says in words that the planner can prove that the index of those who have a name holds all of them.
  if (list.actor !== undefined)
    rows = rows.where('record.principal', '=', list.actor).where('record.principal', '<>', sql.lit(''));
  if (list.method !== undefined) rows = rows.where('record.method', '=', list.method);
  if (list.target !== undefined) rows = rows.where('record.aggregate_id', '=', list.target);
  if (list.outcome !== undefined) rows = rows.where('record.outcome', '=', list.outcome);
  if (list.from !== undefined) rows = rows.where('record.received_at', '>=', sql<Date>`${list.from}::timestamptz`);
  if (list.to !== undefined) rows = rows.where('record.received_at', '<', sql<Date>`${list.to}::timestamptz`);
  if (list.correlation !== undefined) rows = rows.where(isInChain(list.correlation));
  if (after !== undefined) {
    const time = sql<Date>`${receivedAtOf(after)}::timestamptz`;
    // The first condition follows from the second, and excludes the partitions of later months, which the second cannot.
    rows = rows
      .where('record.received_at', '<=', time)
      .where(sql<boolean>`(record.received_at, record.command_id) < (${time}, ${after}::uuid)`);
  }
  return rows.compile();
}

/** Of the chain that the command began. Each of the two is found in an index, the first command in the one partition of its time. */
const isInChain = (first: string) => sql<boolean>`(record.received_at, record.command_id) in (
    select received_at, command_id from cqrs.command_log where correlation_id = ${first}::uuid
    union all
    select ${receivedAtOf(first)}::timestamptz, ${first}::uuid)`;
