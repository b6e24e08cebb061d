/** A line at the bottom of a terminal that tells what is being done; elsewhere nothing, so that logs hold results only. */
export interface Progress {
  readonly say: (step: string) => void;
  /** Takes the line away. */
  readonly clear: () => void;
}

export function createProgress(output: NodeJS.WriteStream): Progress {
  if (!output.isTTY) return { say: () => {}, clear: () => {} };
  const clear = (): void => {
    output.write('\r\x1b[K');
  };
  return {
    say: (step) => {
      clear();
      output.write(`… ${step}`.slice(0, output.columns - 1));
    },
    clear,
  };
}
