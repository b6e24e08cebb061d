/** Variables of the environment by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads variables, and collects what is wrong with them, so that all of it is told at once. An empty variable counts as unset. */
export interface SettingsReader {
  readonly text: (name: string) => string | undefined;
  /** The value, or the fallback. One that is not good is a problem: `NAME is "value", but <wanted>`. */
  readonly checked: (name: string, fallback: string, isGood: (value: string) => boolean, wanted: string) => string;
  /** A whole number from 1 to `most`. */
  readonly count: (name: string, fallback: number, most?: number) => number;
  /** A list; undefined when it is unset. One that cannot be parsed is a problem: `NAME is "value", but has to list <wanted>`. */
  readonly listed: <T>(name: string, parse: (value: string) => T | undefined, wanted: string) => T | undefined;
  /** Tells what is wrong. It must not repeat a secret. */
  readonly problem: (text: string) => void;
}

export function settingsReader(environment: Environment): {
  readonly reader: SettingsReader;
  readonly problems: readonly string[];
} {
  const problems: string[] = [];
  const text = (name: string): string | undefined => environment[name] || undefined;
  const checked: SettingsReader['checked'] = (name, fallback, isGood, wanted) => {
    const value = text(name) ?? fallback;
    if (!isGood(value)) problems.push(`${name} is ${JSON.stringify(value)}, but ${wanted}`);
    return value;
  };
  return {
    problems,
    reader: {
      text,
      checked,
      count: (name, fallback, most = 9_999_999) => {
        const isGood = (value: string): boolean => /^[1-9]\d{0,6}$/.test(value) && Number(value) <= most;
        const wanted = most === 9_999_999 ? 'has to be a whole number from 1' : `has to be a whole number from 1 to ${most}`;
        return Number(checked(name, String(fallback), isGood, wanted));
      },
      listed: (name, parse, wanted) => {
        const value = text(name);
        const list = value === undefined ? undefined : parse(value);
        if (value !== undefined && list === undefined)
          problems.push(`${name} is ${JSON.stringify(value)}, but has to list ${wanted}`);
        return list;
      },
      problem: (problem) => void problems.push(problem),
    },
  };
}
