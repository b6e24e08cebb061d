import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { Subscriptions } from '../commands/context.ts';

const LAST = 'select last_sequence from cqrs.sequencer';
const OPEN = `insert into cqrs.subscription as known (name, principal, acknowledged, consumer, created_at, updated_at)
  values ($1, $2, $3, $4, $5, $5)
  on conflict (name) do update set consumer = excluded.consumer, updated_at = excluded.updated_at
    where known.principal = excluded.principal or $6
  returning acknowledged`;
const ACKNOWLEDGE = `update cqrs.subscription set acknowledged = greatest(acknowledged, $2), updated_at = $3 where name = $1
  returning acknowledged`;
const REMOVE = 'delete from cqrs.subscription where name = $1 returning name';

/** The subscriptions, in the transaction of a command. */
export const subscriptionsOf = (work: Pick<UnitOfWork, 'query'>): Subscriptions => ({
  lastSequence: async () => {
    const [state] = await work.query<{ last_sequence: string }>(LAST, []);
    return BigInt(state?.last_sequence ?? 0);
  },
  open: async ({ name, principal, mayTakeAny, consumer, place, now }) => {
    const values = [name, principal, String(place), consumer, now, mayTakeAny];
    return placeOf(await work.query<Place>(OPEN, values));
  },
  acknowledge: async (name, sequence, now) => placeOf(await work.query<Place>(ACKNOWLEDGE, [name, String(sequence), now])),
  remove: async (name) => (await work.query(REMOVE, [name])).length > 0,
});

interface Place {
  readonly acknowledged: string;
}

const placeOf = ([row]: readonly Place[]): bigint | undefined => (row ? BigInt(row.acknowledged) : undefined);
