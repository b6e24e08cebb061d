import pg from 'pg';
import { eventually } from '../../support/eventually.ts';
import type { TestApp } from '../../support/test-app.ts';

/** Returns the last number when every event that is stored has its number, also on the replica. */
export async function numbered({ database }: Pick<TestApp, 'database'>): Promise<bigint> {
  const replica = new pg.Client(database.connections.replicas[0]);
  await replica.connect();
  try {
    let last = 0n;
    await eventually(async () => {
      await database.query('select cqrs.number_events(10000)');
      const [state] = await database.query<{ missing: string; last: string }>(
        `select (select count(*) from cqrs.event) - (select count(*) from cqrs.feed) as missing, last_sequence as last from cqrs.sequencer`,
      );
      if (state?.missing !== '0') throw new Error(`${state?.missing} events have no number yet`);
      last = BigInt(state.last);
      const { rows } = await replica.query<{ last: string }>('select last_sequence as last from cqrs.sequencer');
      if (rows[0]?.last !== state.last) throw new Error(`the replica has numbers up to ${rows[0]?.last} of ${state.last}`);
    });
    return last;
  } finally {
    await replica.end();
  }
}
