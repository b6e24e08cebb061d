import { chown, type FileHandle, open, rename, stat } from 'node:fs/promises';
import type { RunAs } from './operating-system-user.ts';

/** At a start, a log longer than this is set aside as <name>.1, in bytes. */
const LONG_LOG = 10 * 1024 * 1024;
const TAIL = 4096;

export interface ServerLog {
  readonly file: string;
  /** For the server to write to; the caller closes it. */
  open(): Promise<FileHandle>;
  /** What was written since the last `open`, at most its last 12 lines. */
  lastLines(): Promise<string>;
}

export function serverLog(file: string, runAs: RunAs): ServerLog {
  let from = 0;
  return {
    file,
    async open() {
      const size = (await stat(file).catch(() => undefined))?.size ?? 0;
      if (size > LONG_LOG) await rename(file, `${file}.1`);
      from = size > LONG_LOG ? 0 : size;
      const handle = await open(file, 'a', 0o600);
      if (runAs) await chown(file, runAs.uid, runAs.gid);
      return handle;
    },
    async lastLines() {
      const handle = await open(file, 'r').catch(() => undefined);
      if (!handle) return '';
      try {
        const start = Math.max(from, (await handle.stat()).size - TAIL);
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(TAIL), 0, TAIL, start);
        return buffer.toString('utf8', 0, bytesRead).trim().split('\n').slice(-12).join('\n');
      } finally {
        await handle.close();
      }
    },
  };
}
