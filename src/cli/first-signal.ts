/**
 * How long after the first signal another one is the same wish, in milliseconds. Ctrl-C reaches every process of a terminal's group, and
 * a parent such as npm passes what it got on as well.
 */
const SAME_WISH = 1000;

/** Resolves at the first SIGTERM or SIGINT. One that comes more than a second later ends the program at once. */
export function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let since: number | undefined;
    const heard = (signal: NodeJS.Signals): void => {
      since ??= performance.now();
      if (performance.now() - since > SAME_WISH) process.exit(1);
      resolve(signal);
    };
    process.on('SIGTERM', heard);
    process.on('SIGINT', heard);
  });
}
