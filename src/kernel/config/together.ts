import type { SettingsReader } from '../settings.ts';

/** Variables that mean something only together: undefined when none is set, a problem when some are. */
export function together<const Names extends readonly string[], T>(
  { text, problem }: Pick<SettingsReader, 'text' | 'problem'>,
  names: Names,
  read: (values: { [Index in keyof Names]: string }) => T,
): T | undefined {
  const missing = names.filter((name) => text(name) === undefined);
  if (missing.length === 0) return read(names.map((name) => text(name)) as never);
  if (missing.length < names.length) {
    const set = names.filter((name) => text(name) !== undefined);
    problem(
      `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not set, but ${set.join(' and ')} ${set.length > 1 ? 'are' : 'is'}`,
    );
  }
  return undefined;
}
