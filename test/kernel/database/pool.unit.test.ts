import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { mostConnections, poolSizes } from '../../../src/kernel/database/pool.ts';

const COUNTS = Array.from({ length: 16 }, (_, index) => index + 1);

describe('poolSizes', () => {
  it('gives a process alone ten connections for commands and ten for queries', () => {
    expect(poolSizes(1)).toEqual({ calls: 10, lookUps: 4, batches: 2 });
    expect(mostConnections(1)).toBe(32);
  });

  it('keeps all workers together below the connections that the embedded PostgreSQL leaves to others than superusers', () => {
    for (const workers of COUNTS) {
      expect(poolSizes(workers).calls).toBeGreaterThanOrEqual(1);
      expect(mostConnections(workers)).toBeLessThanOrEqual(197);
    }
  });

  it('keeps seven workers below those that any PostgreSQL leaves by default', () => {
    for (const workers of COUNTS.slice(0, 7)) expect(mostConnections(workers)).toBeLessThanOrEqual(97);
  });

  it('are as docs/configuration.md says', () => {
    const most = Math.max(...COUNTS.map(mostConnections));
    expect(readFileSync('docs/configuration.md', 'utf8')).toContain(
      `${mostConnections(1)} of a single process; of all workers together at most ${most}`,
    );
  });
});
