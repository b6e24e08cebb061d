import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { Timers } from '../commands/context.ts';

const RETRY = `with retried as (
    update cqrs.timer set state = 'waiting', refusals = 0, failing_since = null, retry_at = null
    where state = 'failed' and ($1::uuid is null or id = $1) and ($2::text is null or process = $2)
    returning 1
  )
  select count(*)::int as count from retried`;
const HAS = 'select from cqrs.timer where id = $1';
const CANCEL = 'delete from cqrs.timer where id = $1 returning id';

/** Commands that are sent later, in the transaction of a command. */
export const timersOf = (work: Pick<UnitOfWork, 'query'>): Timers => ({
  retry: async ({ id, process }) => {
    const [row] = await work.query<{ count: number }>(RETRY, [id ?? null, process ?? null]);
    return row?.count ?? 0;
  },
  has: async (id) => (await work.query(HAS, [id])).length > 0,
  cancel: async (id) => (await work.query(CANCEL, [id])).length > 0,
});
