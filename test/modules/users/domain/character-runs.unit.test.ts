import { describe, expect, it } from '@jest/globals';
import { runLength } from '../../../../src/modules/users/domain/character-runs.ts';

describe('character run', () => {
  it.each([
    ['aaa', 3],
    ['abcd', 4],
    ['dcba', 4],
    ['qwerty', 6],
    ['lkjh', 4],
    ['1qaz', 4],
    ['zaq1', 4],
    ['q1w2e3', 6],
    ['q1w2e3r', 7],
    ['aabbcc', 6],
    ['abcabd', 3],
  ])('is found: %s', (text, length) => {
    expect(runLength(text, 0)).toBe(length);
  });

  it.each(['', 'a', 'ab', 'abd', 'qa', 'hello', 'q1w2', '1wdv', 'lamp', '🦊🦊'])('is not seen in %j', (text) => {
    expect(runLength(text, 0)).toBe(0);
  });

  it('begins where it is looked for', () => {
    expect(runLength('xxabc', 2)).toBe(3);
    expect(runLength('abcxx', 3)).toBe(0);
    expect(runLength('abc', 3)).toBe(0);
  });
});
