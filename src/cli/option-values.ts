/** The value of an option cannot be used. */
export class OptionError extends Error {
  constructor(option: string, value: string, expected: string) {
    super(`${option} cannot be ${JSON.stringify(value)}: ${expected}.`);
    this.name = 'OptionError';
  }
}

/** A whole number from `least` on. Throws OptionError. */
export function wholeNumber(option: string, value: string, least: number): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number) || number < least) {
    throw new OptionError(option, value, `give a whole number from ${least} on`);
  }
  return number;
}

/** A time in RFC 3339, or a day, which begins at midnight UTC. Throws OptionError. */
export function time(option: string, value: string): Date {
  const date = new Date(value);
  if (!/^\d{4}-\d\d-\d\d($|T.*(Z|[+-]\d\d:\d\d)$)/i.test(value) || Number.isNaN(date.getTime())) {
    throw new OptionError(option, value, 'give a day like 2026-11-24 or a time like 2026-11-24T10:30:00Z');
  }
  return date;
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000 } as const;

/** A time span like `90s`, `15m` or `12h`, in milliseconds; `most` is a whole number of hours. Throws OptionError. */
export function duration(option: string, value: string, most: number): number {
  const [, count = '', unit = 's'] = /^([1-9]\d{0,5})([smh])$/.exec(value) ?? [];
  const span = Number(count) * UNITS[unit as keyof typeof UNITS];
  if (span > 0 && span <= most) return span;
  throw new OptionError(option, value, `give a time like 90s, 15m or 2h, at most ${most / UNITS.h}h`);
}
