import type { UnitOfWork } from '../../../kernel/database/write/unit-of-work.ts';
import type { Processors } from '../commands/context.ts';

const KIND = 'select kind from cqrs.processor where name = $1 limit 1';
const SET_PAUSED = 'update cqrs.processor set paused = $2 where name = $1 and paused <> $2 returning partition';

/** The projections and reactors that read the feed, in the transaction of a command. */
export const processorsOf = (work: Pick<UnitOfWork, 'query'>): Processors => ({
  kindOf: async (name) => {
    const [row] = await work.query<{ kind: 'projection' | 'reactor' }>(KIND, [name]);
    return row?.kind;
  },
  setPaused: async (name, paused) => (await work.query(SET_PAUSED, [name, paused])).length > 0,
});
