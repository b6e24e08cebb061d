/** Resolves at the first SIGTERM or SIGINT; a second one ends the program at once. */
export function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const heard = (signal: NodeJS.Signals): void => {
      process.on('SIGTERM', () => process.exit(1));
      process.on('SIGINT', () => process.exit(1));
      resolve(signal);
    };
    process.once('SIGTERM', heard);
    process.once('SIGINT', heard);
  });
}
