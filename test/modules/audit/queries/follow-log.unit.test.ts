import { describe, expect, it } from '@jest/globals';
import { followLog, type LogEntry } from '../../../../src/modules/audit/queries/follow-log.ts';
import { placesAfter, SEALED_PAGE, type SealedPlace } from '../../../../src/modules/audit/read-model/sealed-records.ts';
import type { Reader } from '../../../../src/postgres/reader/reader.ts';

/** A log of so many sealed records; some may be pruned. */
function logOf(length: number, { pruned = () => false }: { pruned?: (sequence: number) => boolean } = {}) {
  const log = { length, pages: 0, polls: 0 };
  const rows: Reader['rows'] = async (statement, parameters) => {
    if ((statement as unknown) === placesAfter) {
      log.polls += 1;
      const after = Number(parameters?.[0]);
      const count = Math.min(SEALED_PAGE, Math.max(0, log.length - after));
      return Array.from({ length: count }, (_, index) => placeOf(after + index + 1)) as never;
    }
    log.pages += 1;
    const sequences = (statement.parameters[0] as string[]).filter((sequence) => !pruned(Number(sequence)));
    return sequences.map((sequence) => ({ sequence })) as never;
  };
  return { log, read: { rows } };
}

const placeOf = (sequence: number): SealedPlace => ({
  sequence: String(sequence),
  command_id: '019ab3a0-0000-7000-8000-000000000001',
  received_at: new Date(0),
});

const FAST = { pollMs: 1, heartbeatMs: 1_000_000 };
const say = (entry: LogEntry): string => ('record' in entry ? `${entry.record.sequence}` : `caught up at ${entry.caughtUp}`);

async function take(entries: AsyncGenerator<LogEntry>, count: number): Promise<string[]> {
  const said: string[] = [];
  while (said.length < count) {
    const { value } = await entries.next();
    said.push(say(value));
  }
  return said;
}

describe('followLog', () => {
  it('gives what is there, says once that it has caught up, and goes on with what comes', async () => {
    const { log, read } = logOf(SEALED_PAGE + 2);
    const entries = followLog(read, { after: BigInt(SEALED_PAGE), signal: new AbortController().signal, pace: FAST });
    expect(await take(entries, 3)).toEqual(['101', '102', 'caught up at 102']);
    const next = take(entries, 2);
    setTimeout(() => {
      log.length += 2;
    }, 20);
    expect(await next).toEqual(['103', '104']);
  });

  it('gives every record once, in order, over many pages, and has not caught up before the last', async () => {
    const count = 3 * SEALED_PAGE;
    const { read } = logOf(count);
    const entries = followLog(read, { after: 0n, signal: new AbortController().signal, pace: FAST });
    const expected = Array.from({ length: count }, (_, index) => String(index + 1));
    expect(await take(entries, count + 1)).toEqual([...expected, `caught up at ${count}`]);
  });

  it('passes over records that were pruned', async () => {
    const { read } = logOf(2 * SEALED_PAGE + 1, { pruned: (sequence) => sequence <= 2 * SEALED_PAGE });
    const entries = followLog(read, { after: 0n, signal: new AbortController().signal, pace: FAST });
    expect(await take(entries, 2)).toEqual(['201', 'caught up at 201']);
  });

  it('says again that it has caught up when nothing comes for a while', async () => {
    const { log, read } = logOf(1);
    const pace = { pollMs: 1, heartbeatMs: 30 };
    const entries = followLog(read, { after: 1n, signal: new AbortController().signal, pace });
    expect(await take(entries, 3)).toEqual(['caught up at 1', 'caught up at 1', 'caught up at 1']);
    expect(log.polls).toBeGreaterThan(3);
  });

  it('waits between polls, and asks for no record when there is none', async () => {
    const { log, read } = logOf(1);
    const pace = { pollMs: 20, heartbeatMs: 100 };
    await take(followLog(read, { after: 1n, signal: new AbortController().signal, pace }), 2);
    expect(log.polls).toBeLessThanOrEqual(7);
    expect(log.pages).toBe(0);
  });

  it('reads one page ahead of a slow reader and no more', async () => {
    const { log, read } = logOf(10 * SEALED_PAGE);
    const entries = followLog(read, { after: 0n, signal: new AbortController().signal, pace: FAST });
    await take(entries, SEALED_PAGE);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(log.pages).toBe(1);
    await take(entries, 1);
    expect(log.pages).toBe(2);
  });

  it('ends with the reason of the signal at once, also while it waits', async () => {
    const { read } = logOf(0);
    const controller = new AbortController();
    const pace = { pollMs: 60_000, heartbeatMs: 60_000 };
    const entries = followLog(read, { after: 0n, signal: controller.signal, pace });
    await take(entries, 1);
    const waiting = entries.next();
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 10);
    await expect(waiting).rejects.toBe(reason);
  });
});
