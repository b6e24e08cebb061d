import { createHmac } from 'node:crypto';
import type pg from 'pg';

/**
 * Whose personal data a record holds that is about no aggregate, such as a log-in that failed: a keyed digest of the name by which the
 * request calls that person, an e-mail address for example. The table `cqrs.personal_owner` has these beside the records, so that erasing
 * a person finds what was recorded before anybody knew who they are.
 */
export type OwnerDigest = (name: string) => Buffer;

/** `key` has 32 bytes and outlives rotations. Names that differ in case, in composition or by white space around them are the same. */
export function ownerDigests(key: Buffer): OwnerDigest {
  return (name) => createHmac('sha256', key).update(name.trim().normalize('NFC').toLowerCase()).digest();
}

/** Stores the owners of records that are stored by `records`, a statement with one parameter; the second is `ownersParameter`. */
export const withOwners = (records: string): string => `with record as (${records})
  insert into cqrs.personal_owner (owner, received_at, command_id)
  select decode(owner, 'hex'), received_at, command_id
  from json_to_recordset($2::json) as named (owner text, received_at timestamptz, command_id uuid)
  on conflict do nothing`;

export interface OwnedRecord {
  readonly commandId: string;
  readonly receivedAt: Date;
  /** Names of the people whose personal data the record holds. */
  readonly owners: readonly string[];
}

export function ownersParameter(records: readonly OwnedRecord[], digest: OwnerDigest): string {
  return JSON.stringify(
    records.flatMap(({ commandId, receivedAt, owners }) =>
      owners.map((name) => ({
        owner: digest(name).toString('hex'),
        received_at: receivedAt.toISOString(),
        command_id: commandId,
      })),
    ),
  );
}

/** Erases what is personal in the records of the owners; the one parameter is an array of digests. */
export const ERASE_OWNED = `with owned as (delete from cqrs.personal_owner where owner = any ($1) returning received_at, command_id)
  update cqrs.command_log as record set personal = null from owned
  where record.received_at = owned.received_at and record.command_id = owned.command_id and record.personal is not null`;

/** Gives an owner ($1, digests of names that are given up) the digest by which they are found from now on ($2, that of their id). */
export const RENAME_OWNER = `with owned as (delete from cqrs.personal_owner where owner = any ($1) returning received_at, command_id)
  insert into cqrs.personal_owner (owner, received_at, command_id) select $2, received_at, command_id from owned on conflict do nothing`;

const BATCH = 1_000;

/** Records that were pruned need no owner any more. */
const SWEEP = `delete from cqrs.personal_owner where ctid = any (array(
    select ctid from cqrs.personal_owner where received_at < (select coalesce(min(received_at), now()) from cqrs.command_log)
    limit $1 for update skip locked))`;

/** Removes the owners of records that are gone, in small batches. */
export async function sweepOwners(pool: pg.Pool): Promise<void> {
  for (let removed: number | null = BATCH; removed === BATCH; ) ({ rowCount: removed } = await pool.query(SWEEP, [BATCH]));
}
