import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { DeadLetters } from '../commands/context.ts';

const RETRY = `with retried as (
    update cqrs.dead_letter set retry = true
    where processor = $1 and ($2::bigint is null or sequence = $2) and ($3::uuid is null or aggregate_id = $3)
    returning 1
  )
  select count(*)::int as count from retried`;
const DISCARD = 'delete from cqrs.dead_letter where processor = $1 and sequence = $2 returning sequence';

/** Events that could not be handled, in the transaction of a command. */
export const deadLettersOf = (work: Pick<UnitOfWork, 'query'>): DeadLetters => ({
  retry: async (processor, { sequence, aggregateId }) => {
    const values = [processor, sequence?.toString() ?? null, aggregateId ?? null];
    const [row] = await work.query<{ count: number }>(RETRY, values);
    return row?.count ?? 0;
  },
  discard: async (processor, sequence) => (await work.query(DISCARD, [processor, sequence.toString()])).length > 0,
});
