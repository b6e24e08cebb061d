import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { placeOf } from '../../../../src/kernel/database/commit-query.ts';
import { formatLsn, type LogPosition, parseLsn, positionOf } from '../../../../src/kernel/database/read/log-position.ts';
import { LogPositions } from '../../../../src/kernel/database/read/log-positions.ts';
import type { Sighting } from '../../../../src/kernel/database/read/probe.ts';
import { standingOf } from '../../../../src/kernel/database/read/timelines.ts';

describe('a position in the log', () => {
  it('is written as PostgreSQL writes it', () => {
    expect(formatLsn(0x16_b374_d848n)).toBe('16/B374D848');
    const anywhere = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    fc.assert(fc.property(anywhere, (lsn) => expect(parseLsn(formatLsn(lsn))).toBe(lsn)));
  });

  it('of a primary ends where its last record ends, not behind the header of the page that comes next', () => {
    const lsnOf = (lsn: bigint) => positionOf({ lsn: formatLsn(lsn), timeline: '0000000A' });
    expect(lsnOf(0x300_4018n)).toEqual({ timeline: 10, lsn: 0x300_4000n });
    expect(lsnOf(0x300_0028n)).toEqual({ timeline: 10, lsn: 0x300_0000n });
    expect(lsnOf(0x300_4020n)).toEqual({ timeline: 10, lsn: 0x300_4020n });
  });

  it('is the same for a command and for a query, wherever a record ends', () => {
    const anywhere = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.constantFrom(0x300_4018n, 0x300_4028n, 0x300_0028n),
    );
    fc.assert(
      fc.property(anywhere, (lsn) => {
        const place = placeOf(formatLsn(lsn), '00000001', 7n);
        expect(positionOf({ lsn: formatLsn(lsn), timeline: '00000001' })).toEqual({ timeline: place.timeline, lsn: place.lsn });
      }),
    );
  });

  it('is not known of a standby without a row of its timeline', () => {
    expect(positionOf({ lsn: '0/3000000', timeline: null })).toBeUndefined();
  });
});

const at = (timeline: number, lsn: bigint): LogPosition => ({ timeline, lsn });

describe('what a database has', () => {
  const timelines = new Map([
    [1, undefined],
    [2, 500n],
    [4, 900n],
    [5, undefined],
  ]);

  it.each([
    ['is there up to its end', at(4, 1000n), 'has it'],
    ['comes behind its end', at(4, 1001n), 'not yet'],
    ['of a timeline before is there up to where the next one began', at(1, 500n), 'has it'],
    ['of a timeline before is lost behind that', at(1, 501n), 'lost'],
    ['of a timeline to come is not there yet', at(5, 1n), 'not yet'],
    ['of a timeline whose end nobody knows counts as lost', at(2, 600n), 'lost'],
    ['of a timeline that it never was on counts as lost', at(3, 600n), 'lost'],
  ])('%s', (_, seen, expected) => {
    expect(standingOf(seen, at(4, 1000n), timelines)).toBe(expected);
  });

  it('counts as lost where nobody knows where the next timeline began', () => {
    expect(standingOf(at(4, 1n), at(5, 1000n), timelines)).toBe('lost');
  });
});

describe('positions of databases', () => {
  const sighting = (
    isStandby: boolean,
    log: LogPosition | undefined,
    forks: readonly [number, bigint | undefined][] = [[1, undefined]],
  ): Sighting => ({
    isStandby,
    position: log?.lsn ?? 0n,
    log,
    systemIdentifier: 7n,
    timelines: new Map(forks),
    isNew: false,
  });
  const positions = () => {
    const positions = new LogPositions('primary');
    positions.primarySaid(sighting(false, at(1, 1000n)));
    positions.replicaSaid('replica-1', sighting(true, at(1, 800n)));
    return positions;
  };

  it('move on with what databases answer beside queries, and never back', () => {
    const known = positions();
    expect(known.standing('replica-1', at(1, 900n))).toBe('not yet');
    known.answered('replica-1', at(1, 900n));
    known.answered('replica-1', at(1, 850n));
    expect(known.standing('replica-1', at(1, 900n))).toBe('has it');
    // It may be another server that was there.
    known.answered('replica-1', at(2, 2000n));
    expect(known.standing('replica-1', at(1, 901n))).toBe('not yet');
  });

  it('count on a replica only for what it was seen to have while the primary was on its timeline', () => {
    const known = positions();
    known.answered('replica-1', at(1, 950n));
    known.primarySaid(undefined);
    // It follows a new primary perhaps, that nobody has seen yet.
    known.replicaSaid('replica-1', sighting(true, at(1, 2000n)));
    expect(known.standing('replica-1', at(1, 800n))).toBe('has it');
    expect(known.standing('replica-1', at(1, 801n))).toBe('not yet');
  });

  it('do not count on a replica that was left behind on the old timeline, nor on one that has not come to the new one', () => {
    const known = positions();
    const forks: [number, bigint | undefined][] = [
      [1, undefined],
      [2, 850n],
    ];
    expect(known.primarySaid(sighting(false, at(2, 1200n), forks))).toBe(true);
    expect(known.replicaSaid('replica-1', sighting(true, at(1, 5000n)))).toBe(false);
    expect(known.standing('replica-1', at(1, 840n))).toBe('not yet');
    expect(known.standing('primary', at(1, 840n))).toBe('has it');
    expect(known.standing('primary', at(1, 860n))).toBe('lost');
    expect(known.replicaSaid('replica-1', sighting(true, at(2, 1100n), forks))).toBe(true);
    expect(known.standing('replica-1', at(1, 840n))).toBe('has it');
    expect(known.standing('replica-1', at(1, 860n))).toBe('lost');
  });

  it('have all of what was seen side by side, or have lost it', () => {
    const known = positions();
    known.primarySaid(
      sighting(false, at(2, 1200n), [
        [1, undefined],
        [2, 850n],
      ]),
    );
    expect(known.standing('primary', { ...at(2, 1100n), earlier: [at(1, 850n)] })).toBe('has it');
    expect(known.standing('primary', { ...at(2, 1100n), earlier: [at(1, 850n), at(1, 851n)] })).toBe('lost');
    expect(known.standing('primary', { ...at(2, 1300n), earlier: [at(1, 851n)] })).toBe('not yet');
    expect(known.has('primary', { ...at(2, 1100n), earlier: [at(1, 851n)] }, at(2, 1200n))).toBe(false);
  });

  it('are unknown of a database that was never seen', () => {
    expect(new LogPositions('primary').standing('primary', at(1, 1n))).toBe('not yet');
    expect(new LogPositions('primary').systemIdentifier).toBeUndefined();
  });
});
