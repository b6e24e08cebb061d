import { describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { type NumberingRound, startSequencer } from '../../../src/kernel/feed/sequencer.ts';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';

const logger = { warn: () => {}, info: () => {} };

/** A database that answers each round when it is told to. */
function database() {
  const asked: { readonly most: number; readonly answer: (numbered: number | null) => void; readonly fail: () => void }[] = [];
  const pool = {
    query: (_: string, [most]: number[]) => {
      const { promise, resolve, reject } = Promise.withResolvers();
      asked.push({
        most: most ?? 0,
        answer: (numbered) => resolve({ rows: [{ numbered }] }),
        fail: () => reject(new Error('the database is away')),
      });
      return promise;
    },
  } as unknown as Pick<pg.Pool, 'query'>;
  const round = async (number: number) => {
    await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(number));
    const found = asked[number - 1];
    if (!found) throw new Error(`there is no round ${number}`);
    return found;
  };
  return { pool, asked, round };
}

describe('the sequencer', () => {
  it('begins a round when it is woken, and one more for whatever came during it', async () => {
    const { pool, asked, round } = database();
    const sequencer = startSequencer({ pool, logger, pollMs: FOREVER, paceMs: 0 });
    for (let i = 0; i < 100; i += 1) sequencer.wake();
    (await round(1)).answer(1);
    (await round(2)).answer(0);
    await sequencer.stop();
    expect(asked).toHaveLength(2);
  });

  it('lets a pace pass between the starts of rounds', async () => {
    const { pool, asked, round } = database();
    const sequencer = startSequencer({ pool, logger, pollMs: FOREVER, paceMs: FOREVER });
    (await round(1)).answer(0);
    sequencer.wake();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toHaveLength(1);
    await sequencer.stop();
  });

  it('goes on at once with a backlog, as long as rounds are full', async () => {
    const { pool, asked, round } = database();
    const sequencer = startSequencer({ pool, logger, pollMs: FOREVER, paceMs: FOREVER, most: 10 });
    (await round(1)).answer(10);
    (await round(2)).answer(12);
    (await round(3)).answer(9);
    await sequencer.stop();
    expect(asked.map(({ most }) => most)).toEqual([10, 10, 10]);
  });

  it('looks again when another one was numbering, which may have looked too early', async () => {
    const { pool, round } = database();
    const rounds: NumberingRound[] = [];
    const report = (ended: NumberingRound): unknown => rounds.push(ended);
    const sequencer = startSequencer({ pool, logger, pollMs: FOREVER, paceMs: 0, report });
    (await round(1)).answer(0);
    await eventually(() => expect(rounds).toHaveLength(1));
    sequencer.wake();
    (await round(2)).answer(null);
    (await round(3)).answer(1);
    await sequencer.stop();
    expect(rounds.map(({ numbered, delaySeconds }) => ({ numbered, waited: delaySeconds !== undefined }))).toEqual([
      { numbered: 0, waited: false },
      { numbered: 'busy', waited: false },
      { numbered: 1, waited: true },
    ]);
  });

  it('goes on after a failure', async () => {
    const { pool, round } = database();
    const sequencer = startSequencer({ pool, logger, pollMs: 1, paceMs: 0 });
    (await round(1)).fail();
    (await round(2)).answer(1);
    await sequencer.stop();
  });
});
