/** Where progress is shown. */
export type ProgressStream = Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean };

export interface ProgressBar {
  /** `detail` is told behind it, e.g. how long it will take. */
  readonly update: (done: number, total: number, detail?: string) => void;
  /** Takes the bar from the terminal. */
  readonly clear: () => void;
}

const WIDTH = 30;
/** From one drawing to the next, in milliseconds. */
const REDRAW = 100;
const CLEAR_LINE = '\r\u001b[K';

/** Shows how far long work is: a bar on a terminal, a line at each tenth elsewhere. */
export function createProgressBar(
  what: string,
  { stream = process.stderr, now = Date.now }: { stream?: ProgressStream; now?: () => number } = {},
): ProgressBar {
  return stream.isTTY ? bar(what, stream, now) : lines(what, stream);
}

function bar(what: string, stream: ProgressStream, now: () => number): ProgressBar {
  let drawnAt = Number.NEGATIVE_INFINITY;
  return {
    update(done, total, detail = '') {
      if (now() - drawnAt < REDRAW && done < total) return;
      drawnAt = now();
      const filled = Math.round(WIDTH * part(done, total));
      stream.write(`${CLEAR_LINE}${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${howFar(done, total, what)}${detail}`);
    },
    clear() {
      if (drawnAt !== Number.NEGATIVE_INFINITY) stream.write(CLEAR_LINE);
    },
  };
}

function lines(what: string, stream: ProgressStream): ProgressBar {
  let told = -1;
  return {
    update(done, total, detail = '') {
      const tenth = Math.floor(10 * part(done, total));
      if (tenth <= told) return;
      told = tenth;
      stream.write(`… ${howFar(done, total, what)}${detail}\n`);
    },
    clear() {},
  };
}

/** From 0 to 1; of nothing, all is done. */
const part = (done: number, total: number): number => (total > 0 ? Math.min(1, Math.max(0, done / total)) : 1);

const howFar = (done: number, total: number, what: string): string =>
  `${String(Math.floor(100 * part(done, total))).padStart(3)} %  ${count(done)} of ${count(total)} ${what}`;

const count = (number: number): string => number.toLocaleString('en');
