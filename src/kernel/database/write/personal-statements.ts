import { ERASE_OWNED, type OwnerDigest, RENAME_OWNER } from '../../command-log/personal-owner.ts';
import type { Statement } from './aggregate-sql.ts';
import type { Tracked } from './changed-aggregates.ts';

/** Of an aggregate that stands for nobody. */
export const NO_NAMES: readonly string[] = [];

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

/** What else is stored of a command because its aggregate is a person's: their data is erased, or what is recorded of them gets another name. */
export function personalStatements(
  { type, aggregate, namesBefore }: Tracked,
  { commandId, ownerDigest, erasures }: { commandId: string; ownerDigest: OwnerDigest; erasures: readonly string[] },
): Statement[] {
  if (!type.erasesPersonalData(aggregate)) return renaming({ type, aggregate, namesBefore }, ownerDigest);
  const id = type.id(aggregate);
  const erasure = { text: ERASE_PERSONAL_DATA, values: [id, commandId] };
  // An aggregate with names stands for a person, whose data other modules may have.
  const others = type.names ? erasures.map((text) => ({ text, values: [id] })) : [];
  return [{ text: ERASE_OWNED, values: [[id, ...namesBefore].map(ownerDigest)] }, ...others, erasure];
}

/** What is recorded under a name that is given up is found by the id from now on: somebody else may take the name. */
function renaming(
  { type, aggregate, namesBefore }: Pick<Tracked, 'type' | 'aggregate' | 'namesBefore'>,
  ownerDigest: OwnerDigest,
): Statement[] {
  const names = type.names?.(aggregate) ?? NO_NAMES;
  if (namesBefore.every((name) => names.includes(name))) return [];
  const digests = namesBefore.map(ownerDigest);
  const now = names.map(ownerDigest);
  const givenUp = digests.filter((digest) => !now.some((other) => other.equals(digest)));
  if (givenUp.length === 0) return [];
  return [{ text: RENAME_OWNER, values: [givenUp, ownerDigest(type.id(aggregate))] }];
}
