/** Three digits, with a unit: `0 s`, `12.3 ms`, `4.56 s`, `15 min`, `3 h`, `4 d`. */
export function seconds(value: number): string {
  if (value === 0) return '0 s';
  if (value < 1) return `${Number((value * 1000).toPrecision(3))} ms`;
  if (value < 600) return `${Number(value.toPrecision(3))} s`;
  if (value < 36_000) return `${Math.round(value / 60)} min`;
  return value < 172_800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86_400)} d`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Three digits, with a unit. */
export function bytes(value: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  return `${Number((value / 2 ** (10 * power)).toPrecision(3))} ${UNITS[power]}`;
}

/** `1 event`, `1,234 events`. */
export const counted = (number: number | bigint, what: string): string =>
  `${number.toLocaleString('en')} ${what}${BigInt(number) === 1n ? '' : 's'}`;
