import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { errorInfo, updateOptimistically } from '../../src/client/index.ts';
import { refusal } from './scripted-users.ts';

const overtaken = () => refusal(Code.Aborted, { reason: 'VERSION_MISMATCH', metadata: { current_version: '7' } });
const random = (): number => 0;

/** Reads version 1, 2, …; the change loses so many times. */
function contested(losses: number, error = overtaken) {
  const reads: Readonly<Record<string, string>>[] = [];
  const changes: number[] = [];
  return {
    reads,
    changes,
    random,
    read: async (headers: Readonly<Record<string, string>>) => reads.push(headers),
    change: async (version: number) => {
      if (changes.push(version) <= losses) throw error();
      return `done at ${version}`;
    },
  };
}

describe('updateOptimistically', () => {
  it('changes what it has read', async () => {
    const update = contested(0);
    expect(await updateOptimistically(update)).toBe('done at 1');
    expect(update.reads).toEqual([{}]);
  });

  it('begins again when somebody was faster, by what the primary has', async () => {
    const update = contested(2);
    expect(await updateOptimistically(update)).toBe('done at 3');
    const strong = { 'cqrs-consistency': 'strong' };
    expect(update.reads).toEqual([{}, strong, strong]);
  });

  it('begins with what the caller knows', async () => {
    const update = contested(1);
    expect(await updateOptimistically({ ...update, known: 41 })).toBe('done at 1');
    expect(update.changes).toEqual([41, 1]);
  });

  it('gives up after the last try', async () => {
    const update = contested(100);
    const error = await updateOptimistically({ ...update, tries: 3 }).catch((refused) => refused);
    expect(errorInfo(error)?.reason).toBe('VERSION_MISMATCH');
    expect(update.changes).toEqual([1, 2, 3]);
  });

  it.each([
    ['another refusal', refusal(Code.FailedPrecondition, { reason: 'USER_DELETED' })],
    ['an abort that names no version', refusal(Code.Aborted, { reason: 'CONFLICT' })],
    ['a mistake of the caller', new TypeError('no name')],
  ])('throws %s', async (_, error) => {
    const update = contested(1, () => error as never);
    await expect(updateOptimistically(update)).rejects.toBe(error);
    expect(update.changes).toEqual([1]);
  });
});
