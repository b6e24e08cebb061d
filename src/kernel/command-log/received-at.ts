import type { Timestamp } from '@bufbuild/protobuf/wkt';

/** The years that RFC 3339 and google.protobuf.Timestamp can name, in milliseconds since the epoch. */
const FIRST = Date.parse('0001-01-01T00:00:00.000Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');

/** When a command was received: the time in its id (UUIDv7, RFC 9562), as RFC 3339. Any other UUID gives some time or other. */
export function receivedAtOf(commandId: string): string {
  return instant(Number.parseInt(commandId.replace('-', '').slice(0, 12), 16));
}

/**
 * The first whole millisecond at or after the time, as RFC 3339: records have no finer time. A time that is out of the calendar
 * becomes the end of it, and bounds nothing.
 */
export function receivedBound({ seconds, nanos }: Timestamp): string {
  return instant(Number(seconds) * 1000 + Math.ceil(nanos / 1e6));
}

function instant(ms: number): string {
  return new Date(Math.min(Math.max(ms, FIRST), LAST)).toISOString();
}
