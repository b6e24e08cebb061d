import { describe, expect, it } from '@jest/globals';
import { startSweeps } from '../../../src/kernel/background/sweeps.ts';
import { eventually } from '../../support/eventually.ts';

function noting() {
  const warnings: object[] = [];
  return { warnings, logger: { warn: (warning: object) => void warnings.push(warning) } as never };
}

describe('startSweeps', () => {
  it('runs all of them again and again, also one that failed', async () => {
    const { warnings, logger } = noting();
    const swept: string[] = [];
    const failure = new Error('the database is away');
    const sweeps = startSweeps(
      {
        failing: async () => {
          swept.push('failing');
          throw failure;
        },
        other: async () => void swept.push('other'),
      },
      { intervalMs: 1, logger },
    );
    await eventually(() => expect(swept.slice(0, 4)).toEqual(['failing', 'other', 'failing', 'other']));
    await sweeps.stop();
    expect(warnings[0]).toEqual({ err: failure, sweep: 'failing' });
  });

  it('ends at once while nothing is swept, and after the sweep that is under way', async () => {
    const { logger } = noting();
    const waiting = startSweeps({}, { intervalMs: 60_000, logger });
    await waiting.stop();

    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: work, resolve: finish } = Promise.withResolvers<void>();
    const slow = () => {
      begin();
      return work;
    };
    const sweeping = startSweeps({ slow }, { intervalMs: 1, logger });
    await begun;
    let stopped = false;
    const stop = sweeping.stop().then(() => {
      stopped = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stopped).toBe(false);
    finish();
    await stop;
  });
});
