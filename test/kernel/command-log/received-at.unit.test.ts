import { create } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from '@jest/globals';
import { receivedAtOf, receivedBound } from '../../../src/kernel/command-log/received-at.ts';

const bound = (seconds: bigint, nanos = 0): string => receivedBound(create(TimestampSchema, { seconds, nanos }));

describe('receivedAtOf', () => {
  it('reads the time in a UUIDv7, in either case', () => {
    // The example of RFC 9562, appendix A.6.
    expect(receivedAtOf('017F22E2-79B0-7CC3-98C4-DC0C0C07398F')).toBe('2022-02-22T19:22:22.000Z');
    expect(receivedAtOf('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')).toBe('2022-02-22T19:22:22.000Z');
  });

  it('gives a time that PostgreSQL can read for any UUID', () => {
    expect(receivedAtOf('ffffffff-ffff-ffff-ffff-ffffffffffff')).toBe('9999-12-31T23:59:59.999Z');
    expect(receivedAtOf('00000000-0000-0000-0000-000000000000')).toBe('1970-01-01T00:00:00.000Z');
  });
});

describe('receivedBound', () => {
  it('is the first whole millisecond that is not before the time', () => {
    expect(bound(1n)).toBe('1970-01-01T00:00:01.000Z');
    expect(bound(1n, 2_000_000)).toBe('1970-01-01T00:00:01.002Z');
    expect(bound(1n, 2_000_001)).toBe('1970-01-01T00:00:01.003Z');
    expect(bound(-1n, 999_999_999)).toBe('1970-01-01T00:00:00.000Z');
  });

  it('is the end of the calendar for a time beyond it', () => {
    expect(bound(2n ** 63n - 1n)).toBe('9999-12-31T23:59:59.999Z');
    expect(bound(-(2n ** 63n))).toBe('0001-01-01T00:00:00.000Z');
  });
});
