import { Conflict } from '../../../kernel/bus/errors.ts';
import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { Rebuilds } from '../commands/context.ts';

const BEGIN = `insert into cqrs.rebuild (id, projection, verify, state, started_at, updated_at)
  values ($1, $2, $3, 'running', $4, $4)
  on conflict (projection) where state = 'running' do nothing
  returning id`;
const UNDER_WAY = `select id from cqrs.rebuild where projection = $1 and state = 'running'`;
const CANCEL = `update cqrs.rebuild set state = 'cancelled', finished_at = $2, updated_at = $2
  where projection = $1 and state = 'running' returning id`;

/** The runs of projections that are made again or compared, in the transaction of a command. */
export const rebuildsOf = (work: Pick<UnitOfWork, 'query'>): Rebuilds => ({
  begin: async ({ id, projection, verify, now }) => {
    const begun = await work.query(BEGIN, [id, projection, verify, now.toISOString()]);
    if (begun.length > 0) return undefined;
    const [other] = await work.query<{ id: string }>(UNDER_WAY, [projection]);
    // It ended between the two statements.
    if (!other) throw new Conflict();
    return { underWay: other.id };
  },
  cancel: async (projection, now) => {
    const [row] = await work.query<{ id: string }>(CANCEL, [projection, now.toISOString()]);
    return row?.id;
  },
});
