import { setTimeout as sleep } from 'node:timers/promises';

/** Of a terminal (ECMA-48): another screen, home, to the end of the line and of the screen, and the cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const END_OF_LINE = '\x1b[K';
const END_OF_SCREEN = '\x1b[J';

/**
 * Shows a screen on a terminal, and another one after each interval, until a signal, Ctrl-C or the key `q`. Leaves the terminal as it was. A
 * screen that cannot be made is tried again, and the error is shown meanwhile.
 */
export async function showAgainAndAgain(
  screen: () => Promise<string>,
  { intervalMs, restsFirst = false }: { intervalMs: number; restsFirst?: boolean },
): Promise<void> {
  await untilLeft(async (signal) => {
    const { stdout } = process;
    let text = 'asking …';
    const draw = (): void => {
      const lines = text.split('\n', stdout.rows).map((line) => cut(line, stdout.columns));
      stdout.write(`${HOME}${lines.join(`${END_OF_LINE}\n`)}${END_OF_LINE}${END_OF_SCREEN}`);
    };
    const rest = (): Promise<void> => sleep(intervalMs, undefined, { signal }).catch(() => {});
    stdout.on('resize', draw);
    draw();
    if (restsFirst) await rest();
    while (!signal.aborted) {
      try {
        text = await screen();
      } catch (error) {
        text = `${error instanceof Error ? error.message : error}\n\ntrying again …`;
      }
      if (signal.aborted) break;
      draw();
      await rest();
    }
  });
}

/** Runs on another screen of the terminal until a signal or the key `q`, and leaves the terminal as it was. */
async function untilLeft(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { stdin, stdout } = process;
  const left = new AbortController();
  const leave = (): void => left.abort();
  const pressed = (key: Buffer): void => {
    // Ctrl-C is a key here.
    if (['q', 'Q', '\u0003'].includes(key.toString())) leave();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
  stdout.on('error', leave);
  if (stdin.isTTY) stdin.setRawMode(true).resume().on('data', pressed);
  stdout.write(ENTER);
  try {
    await run(left.signal);
  } finally {
    stdout.write(LEAVE);
    if (stdin.isTTY) stdin.setRawMode(false).pause().off('data', pressed);
  }
}

/** At most so many characters of text; what colors it is not counted. */
export function cut(text: string, columns: number): string {
  let left = columns;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colors begin with one
  return text.replace(/(\x1b\[\d+m)|([^\x1b])/g, (_, color: string | undefined, character: string) => {
    if (color !== undefined) return color;
    left -= 1;
    return left >= 0 ? character : '';
  });
}
