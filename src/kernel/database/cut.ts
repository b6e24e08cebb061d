/**
 * Rows that each say in `transaction_id` which transaction wrote them can be read in cuts: everything of the transactions that have ended
 * since the last cut, each row once and none missed, however late a transaction commits.
 *
 * Below `MARK`, every transaction has ended: what will ever be visible of them is visible now. So a cut is what lies between two marks. On a
 * standby this is not so (its snapshots do not list all transactions in progress): cuts are read on the primary. A transaction that is left open
 * anywhere on the server holds the mark up until it ends (`watchMark` says which). The numbers of events are not given in cuts, and wait
 * for no transaction: see docs/adr/0029-events-are-numbered-when-they-become-visible.md.
 *
 * Inside a cut the order is that of `position`, a number that is taken when the row is inserted. It respects which command came after
 * which: one that waited for a row that another had changed inserts after that one's commit and has the later position, though its transaction
 * id may be lower, because it began first. From one cut to the next, the ids respect it for commands that wait with the first row that they
 * write. One that had written before it waited has the lower id, and comes in the cut before when a third transaction, with an id between the two, is still under
 * way.
 *
 * Ids count in one cluster. In another, into which a dump brought the rows, transactions are counted anew, and what the old ids say holds no
 * more: whoever reads in cuts notes in which cluster, and which rows came with the dump.
 */
export interface Cut {
  /** Transactions from this id on. */
  readonly from: string;
  /** Transactions below this id; the next cut begins with it. */
  readonly below: string;
}

/** The id below which every transaction has ended, as SQL. */
export const MARK = 'pg_snapshot_xmin(pg_current_snapshot())';

/** Whether a row is in a cut; the parameters are `cutValues`. */
export const inCut = (row: string): string => `${row}.transaction_id >= $1::xid8 and ${row}.transaction_id < $2::xid8`;

export const cutValues = ({ from, below }: Cut): [string, string] => [from, below];

/**
 * For whoever may read a row twice, and wants those of transactions above the mark too: all that was not there before the mark ($1). An id
 * that is still to come is of another cluster, and its row came with a dump: it was there.
 */
export const SINCE_MARK = 'transaction_id >= $1::xid8 and transaction_id < pg_snapshot_xmax(pg_current_snapshot())';

/** Whether the ids went back: what was read up to a mark was read in another cluster, or on another history of this one. */
export const hasGoneBack = (from: string, mark: string): boolean => BigInt(mark) < BigInt(from);
