import { once } from 'node:events';
import { escapedText } from '../kernel/telemetry/escaped-text.ts';

let readerIsGone = false;

/**
 * Writes to standard output, with nothing in it that commands a terminal (`escapedText`), and waits while its reader is slow. Answers false once the reader has left, as `head` does when it has
 * seen enough: there is nothing more to do then.
 */
export async function print(text: string): Promise<boolean> {
  const { stdout } = process;
  if (stdout.listenerCount('error', onError) === 0) stdout.on('error', onError);
  if (readerIsGone) return false;
  // Rejects when the reader leaves meanwhile.
  if (!stdout.write(escapedText(text))) await once(stdout, 'drain').catch(() => undefined);
  return !readerIsGone;
}

function onError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  readerIsGone = true;
}
