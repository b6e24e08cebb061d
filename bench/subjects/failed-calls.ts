import { open } from 'node:fs/promises';

const CHUNK = 8 * 1024 * 1024;
const CODE = /"code":"(\w+)"/g;
/** How a call ends that the driver left, which it does with those in flight when its time is over. */
const NOT_FAILED = new Set(['OK', 'CANCELLED']);

/**
 * Reads how calls failed from a subject's log, each time from where it stopped. Every subject logs each call that fails as a
 * line of JSON with its `code`: that is how an error is seen that gRPC tells of in a trailer, where h2load does not look.
 */
export function failedCalls(logFile: string): () => Promise<string[]> {
  let position = 0;
  let rest = '';
  return async () => {
    const failures: string[] = [];
    await using file = await open(logFile);
    const buffer = Buffer.alloc(CHUNK);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
      if (bytesRead === 0) return failures;
      position += bytesRead;
      const text = rest + buffer.toString('latin1', 0, bytesRead);
      const end = text.lastIndexOf('\n') + 1;
      for (const match of text.slice(0, end).matchAll(CODE)) {
        const [, code = ''] = match;
        if (!NOT_FAILED.has(code)) failures.push(describe(code, text, match.index));
      }
      rest = text.slice(end);
    }
  };
}

/** The code, and what the line says of the reason. */
function describe(code: string, text: string, at: number): string {
  const line = text.slice(text.lastIndexOf('\n', at) + 1, text.indexOf('\n', at));
  const [, reason = ''] = /"(?:reason|error)":"((?:[^"\\]|\\.)*)"/.exec(line) ?? [];
  return `${code} ${reason}`.trim();
}
