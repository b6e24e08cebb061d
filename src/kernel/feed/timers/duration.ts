/** How long something takes: in milliseconds, or in units that are added up. */
export type Duration =
  | number
  | { readonly days?: number; readonly hours?: number; readonly minutes?: number; readonly seconds?: number };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Of the typing error, and not of a plan. */
const LONGEST = 100 * 365 * DAY;

/** Throws for what is no duration, is negative, or is longer than a century. */
export function millisecondsOf(duration: Duration): number {
  const ms =
    typeof duration === 'number'
      ? duration
      : (duration.days ?? 0) * DAY +
        (duration.hours ?? 0) * HOUR +
        (duration.minutes ?? 0) * MINUTE +
        (duration.seconds ?? 0) * SECOND;
  if (!(ms >= 0 && ms <= LONGEST))
    throw new RangeError('a duration has to be from 0 to 100 years: milliseconds, or such as { minutes: 15 }');
  return ms;
}
