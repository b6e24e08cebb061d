import { describe, expect, it } from '@jest/globals';
import type { Call } from '../../../src/kernel/bus/call.ts';
import { ConsistencyStateLost } from '../../../src/kernel/consistency/errors.ts';
import { ReadChoice } from '../../../src/kernel/consistency/read-choice.ts';
import type { ReadSide } from '../../../src/kernel/database/read/read-side.ts';

type Reads = ConstructorParameters<typeof ReadChoice>[0];

const primary = { name: 'primary' } as ReadSide['primary'];
const call = { cancellation: { reason: undefined, onCancel: () => () => {} } } as unknown as Call;
const wish = {
  isStrong: false,
  most: undefined,
  token: { systemIdentifier: 1n, timeline: 1, lsn: 9n, position: 0n, issuedAt: 0 },
};

/** A primary that was not seen to have what the token tells of; `refresh` is the look that is asked for. */
function choiceWith(refresh: () => Promise<unknown>): ReadChoice {
  const monitor = { positions: { standing: () => 'not yet' }, isHealthy: () => true, refresh };
  return new ReadChoice({ primary, candidates: () => [primary], monitor } as unknown as Reads, () => {});
}

describe('databases that are looked at anew', () => {
  it('have lost what a token tells of, when a look that began after it does not find it', async () => {
    await expect(choiceWith(async () => {}).anew(wish, call)).rejects.toBeInstanceOf(ConsistencyStateLost);
  });

  it('have not lost it, as far as anybody knows, when the look is not over in time', async () => {
    await expect(choiceWith(() => new Promise(() => {})).anew(wish, call)).resolves.toEqual([primary]);
  });

  it('have not lost it, as far as anybody knows, when the look fails', async () => {
    await expect(choiceWith(() => Promise.reject(new Error('away'))).anew(wish, call)).resolves.toEqual([primary]);
  });
});
