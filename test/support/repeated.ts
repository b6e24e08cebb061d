import { setTimeout as sleep } from 'node:timers/promises';

/** Work that goes on until it is disposed of. */
export interface Repeated extends AsyncDisposable {
  /** What failed so far. */
  readonly failures: readonly unknown[];
}

/** Does the work over and over, `times` at once, each with a short rest after it. A failure is noted, and the work goes on. */
export function repeated(times: number, work: (isOver: () => boolean) => Promise<unknown>): Repeated {
  const failures: unknown[] = [];
  let over = false;
  const doers = Array.from({ length: times }, async () => {
    while (!over) {
      await work(() => over).catch((error: unknown) => failures.push(error));
      await sleep(2);
    }
  });
  return {
    failures,
    [Symbol.asyncDispose]: async () => {
      over = true;
      await Promise.all(doers);
    },
  };
}
