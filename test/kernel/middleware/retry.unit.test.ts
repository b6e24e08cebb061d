import { describe, expect, it } from '@jest/globals';
import { CallCanceled, Conflict, Overloaded } from '../../../src/kernel/bus/errors.ts';
import { retry } from '../../../src/kernel/middleware/retry.ts';
import { CommandService } from '../../gen/conformance/v1/conformance_pb.js';
import { around, callTo } from './test-call.ts';

/** Runs a command that fails with these errors, one an attempt, and then succeeds. */
async function attempt(
  failures: Error[],
  call = callTo(CommandService.method.echo),
): Promise<{ attempts: number; error: unknown }> {
  let attempts = 0;
  const chain = around(
    retry(() => 0),
    call.method,
    async () => {
      attempts += 1;
      const failure = failures.shift();
      if (failure) throw failure;
      return undefined as never;
    },
  );
  const error = await chain(call).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { attempts, error };
}

describe('retry', () => {
  it('runs a command again that lost against another', async () => {
    expect(await attempt([new Conflict(), new Conflict()])).toEqual({ attempts: 3, error: undefined });
  });

  it('gives up in the end, with the conflict', async () => {
    const { attempts, error } = await attempt(Array.from({ length: 50 }, () => new Conflict()));
    expect(attempts).toBe(10);
    expect(error).toBeInstanceOf(Conflict);
  });

  it('does not run again what failed for another reason', async () => {
    const { attempts, error } = await attempt([new Overloaded('a test')]);
    expect(attempts).toBe(1);
    expect(error).toBeInstanceOf(Overloaded);
  });

  it('stops when nobody waits for the answer any more', async () => {
    const call = callTo(CommandService.method.echo);
    call.cancellation.cancel(new CallCanceled());
    expect((await attempt([new Conflict(), new Conflict()], call)).attempts).toBe(1);
  });
});
