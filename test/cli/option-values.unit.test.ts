import { describe, expect, it } from '@jest/globals';
import { time, wholeNumber } from '../../src/cli/option-values.ts';

describe('wholeNumber', () => {
  it('reads whole numbers and names the option that has something else', () => {
    expect(wholeNumber('--limit', '12', 1)).toBe(12);
    for (const value of ['0', '-1', '1.5', '1e3', '', 'many', '99999999999999999999']) {
      expect(() => wholeNumber('--limit', value, 1)).toThrow(`--limit cannot be "${value}": give a whole number from 1 on.`);
    }
  });
});

describe('time', () => {
  it('reads a day as its midnight in UTC, and a time with its offset', () => {
    expect(time('--from', '2026-11-24').toISOString()).toBe('2026-11-24T00:00:00.000Z');
    expect(time('--from', '2026-11-24T10:30:00.5+02:00').toISOString()).toBe('2026-11-24T08:30:00.500Z');
  });

  it('refuses what could mean several things, and what is no time', () => {
    for (const value of ['yesterday', '2026', '11/24/2026', '2026-11-24T10:30:00', '2026-13-01', '']) {
      expect(() => time('--from', value)).toThrow('--from cannot be');
    }
  });
});
