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
