import { describe, expect, it } from '@jest/globals';
import { poolSizes } from '../../../src/kernel/database/pool.ts';

/** Of one process: commands, queries, look-ups; records, the sealer, a look at the primary's health. */
const connectionsOf = (workers: number): number => {
  const { calls, lookUps } = poolSizes(workers);
  return calls + calls + lookUps + 3;
};

describe('poolSizes', () => {
  it('gives a process alone ten connections for commands and ten for queries', () => {
    expect(poolSizes(1)).toEqual({ calls: 10, lookUps: 4 });
    expect(connectionsOf(1)).toBe(27);
  });

  it('keeps all workers together below the connections that PostgreSQL leaves to others than superusers', () => {
    for (let workers = 1; workers <= 16; workers += 1) {
      expect(poolSizes(workers).calls).toBeGreaterThanOrEqual(1);
      expect(workers * connectionsOf(workers)).toBeLessThanOrEqual(97);
    }
  });
});
