import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { CommandRecord } from '#gen/audit/v1/command_record_pb.js';
import { time, wholeNumber } from '../option-values.ts';

/** A part of the log, by place (both ends are in it) or by time (from the first on, and before the second). */
export interface Range {
  readonly firstSequence: bigint;
  /** Undefined: to the end. */
  readonly lastSequence: bigint | undefined;
  readonly from: Date | undefined;
  readonly before: Date | undefined;
}

/** The values of --from and --to: each a sequence number, a day or a time. Throws OptionError. */
export function readRange({ from, to }: { readonly from?: string; readonly to?: string }): Range {
  const isPlace = (value: string): boolean => /^\d+$/.test(value);
  return {
    firstSequence: from !== undefined && isPlace(from) ? BigInt(wholeNumber('--from', from, 1)) : 1n,
    lastSequence: to !== undefined && isPlace(to) ? BigInt(wholeNumber('--to', to, 1)) : undefined,
    from: from === undefined || isPlace(from) ? undefined : time('--from', from),
    before: to === undefined || isPlace(to) ? undefined : time('--to', to),
  };
}

/** Whether a record at a place that is in the range was received in its time. */
export function isInTime({ from, before }: Range, { receivedAt }: CommandRecord): boolean {
  if (!receivedAt) return false;
  const received = timestampDate(receivedAt);
  return (from === undefined || received >= from) && (before === undefined || received < before);
}
