import { describe, expect, it } from '@jest/globals';
import { poolSize } from '../../src/postgres/pool.ts';

describe('poolSize', () => {
  it('is 10 for a process that serves alone', () => {
    expect(poolSize(1)).toBe(10);
  });

  it.each(Array.from({ length: 16 }, (_, index) => index + 1))(
    'leaves room at a PostgreSQL that takes 100, with workers: %i',
    (workers) => {
      expect(poolSize(workers)).toBeGreaterThanOrEqual(2);
      // Commands, queries and the monitor of each.
      expect(workers * (2 * poolSize(workers) + 1)).toBeLessThanOrEqual(80);
    },
  );
});
