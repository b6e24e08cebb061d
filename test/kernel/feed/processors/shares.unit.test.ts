import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Share, shift } from '../../../../src/kernel/feed/processors/shares.ts';

const shares = (...owners: (string | undefined)[]): Share[] => owners.map((owner, index) => ({ key: `p${index}`, owner }));
const none: ReadonlySet<string> = new Set();

describe('the share of an instance', () => {
  it('is everything where it is alone', () => {
    const { take, give } = shift(shares(undefined, undefined, 'a'), { me: 'a', alive: ['a'], freeBefore: none });
    expect([take, give]).toEqual([['p0', 'p1'], []]);
  });

  it('is given back as far as another has less', () => {
    const all = shares('a', 'a', 'a', 'a');
    expect(shift(all, { me: 'a', alive: ['a', 'b'], freeBefore: none }).give).toHaveLength(2);
    expect(shift(all, { me: 'b', alive: ['a', 'b'], freeBefore: none })).toEqual({ take: [], give: [] });
    expect(shift(shares('a', 'a', 'b'), { me: 'a', alive: ['a', 'b'], freeBefore: none }).give).toEqual([]);
  });

  it('leaves what is free to those who have less, unless nobody took it', () => {
    const all = shares('a', 'a', 'b', undefined, undefined);
    const as = (me: string, freeBefore = none) => shift(all, { me, alive: ['a', 'b'], freeBefore }).take;
    expect(as('a')).toEqual([]);
    expect(as('b')).toEqual(['p3', 'p4']);
    expect(as('a', new Set(['p4']))).toEqual(['p4']);
  });

  it('becomes even, whoever looks when, and then stays as it is', () => {
    const drawn = fc.record({
      owners: fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'gone'), { nil: undefined }), { minLength: 1, maxLength: 12 }),
      turns: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 90, maxLength: 90 }),
    });
    fc.assert(
      fc.property(drawn, ({ owners, turns }) => {
        const alive = ['a', 'b', 'c'];
        const all: { key: string; owner: string | undefined }[] = owners.map((owner, index) => ({
          key: `p${index}`,
          owner: owner === 'gone' ? undefined : owner,
        }));
        const freeBefore = new Map(alive.map((me) => [me, none]));
        const look = (me: string): number => {
          const { take, give } = shift(all, { me, alive, freeBefore: freeBefore.get(me) ?? none });
          freeBefore.set(me, new Set(all.filter(({ owner }) => owner === undefined).map(({ key }) => key)));
          for (const share of all) {
            if (take.includes(share.key)) share.owner = me;
            if (give.includes(share.key)) share.owner = undefined;
          }
          return take.length + give.length;
        };
        // Everybody looks again and again.
        for (const me of [...turns, ...alive, ...alive, ...alive, ...alive, ...alive, ...alive]) look(me);
        const counts = alive.map((me) => all.filter(({ owner }) => owner === me).length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        expect(counts.reduce((sum, count) => sum + count)).toBe(all.length);
        for (const me of alive) expect(look(me)).toBe(0);
      }),
    );
  });
});
