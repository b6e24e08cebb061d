import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { mostConnections, poolSizes } from '../../../src/kernel/database/pool.ts';

const COUNTS = Array.from({ length: 16 }, (_, index) => index + 1);

describe('poolSizes', () => {
  it('gives a process alone ten connections for commands and ten for queries', () => {
    expect(poolSizes(1, 10)).toEqual({ calls: 10, lookUps: 4, batches: 2 });
    expect(mostConnections(1, 10)).toBe(32);
  });

  it('keeps all workers together below the connections that the embedded PostgreSQL leaves to others than superusers', () => {
    for (const workers of COUNTS) {
      expect(poolSizes(workers, 10).calls).toBeGreaterThanOrEqual(1);
      expect(mostConnections(workers, 10)).toBeLessThanOrEqual(197);
    }
  });

  it('keeps seven workers below those that any PostgreSQL leaves by default', () => {
    for (const workers of COUNTS.slice(0, 7)) expect(mostConnections(workers, 10)).toBeLessThanOrEqual(97);
  });

  it('follow the number that is set, down to one connection for each kind of call', () => {
    expect(poolSizes(1, 3)).toEqual({ calls: 3, lookUps: 3, batches: 2 });
    expect(poolSizes(4, 3)).toEqual({ calls: 1, lookUps: 2, batches: 1 });
    expect(poolSizes(4, 20)).toMatchObject({ calls: 12, lookUps: 2 });
    expect(poolSizes(16, 1)).toEqual({ calls: 1, lookUps: 1, batches: 1 });
    expect([1, 3].map((connections) => mostConnections(1, connections))).toEqual([11, 17]);
  });

  it('are as docs/configuration.md says', () => {
    const most = Math.max(...COUNTS.map((workers) => mostConnections(workers, 10)));
    expect(readFileSync('docs/configuration.md', 'utf8')).toContain(
      `${mostConnections(1, 10)} of a single process; of all workers together at most ${most}`,
    );
    expect(readFileSync('docs/configuration.md', 'utf8')).toContain(
      `with 3 a single process opens ${mostConnections(1, 3)}, with 1 it opens ${mostConnections(1, 1)}`,
    );
  });
});
