import { describe, expect, it } from '@jest/globals';
import { duration, time, wholeNumber } from '../../src/cli/option-values.ts';

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

describe('duration', () => {
  it('reads seconds, minutes and hours up to a bound', () => {
    const most = 12 * 3_600_000;
    expect(['1s', '90s', '15m', '12h', '43200s'].map((value) => duration('--ttl', value, most))).toEqual([
      1000, 90_000, 900_000, 43_200_000, 43_200_000,
    ]);
    for (const value of [
      '',
      '0s',
      '15',
      '13h',
      '43201s',
      '721m',
      '-1h',
      '1.5h',
      '1d',
      '1h30m',
      ' 1h',
      '9999999999h',
      'Infinity',
    ]) {
      expect(() => duration('--ttl', value, most)).toThrow(
        `--ttl cannot be "${value}": give a time like 90s, 15m or 2h, at most 12h.`,
      );
    }
  });
});
