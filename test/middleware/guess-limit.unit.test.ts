import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { DeadlinePassed, GuessesThrottled, Overloaded } from '../../src/cqrs/errors.ts';
import { guessLimit } from '../../src/middleware/guess-limit.ts';
import { CredentialsInvalid } from '../../src/modules/users/domain/user-errors.ts';
import type { Attempt } from '../../src/postgres/guesses.ts';
import { callTo, pass } from './test-call.ts';

const { logIn, changePassword, changeName } = CommandService.method;

/** Notes what is asked of it, by the first letters of the target. */
function noting(attempt: Attempt = { admitted: true, blockedUntil: '-infinity' }) {
  const log: string[] = [];
  const short = (target: Buffer) => target.toString('hex').slice(0, 8);
  const guesses = {
    begin: async (target: Buffer) => {
      log.push(`begin ${short(target)}`);
      return attempt;
    },
    forget: async (target: Buffer) => void log.push(`forget ${short(target)}`),
    takeBack: async (target: Buffer, blockedUntil: string) => void log.push(`take back ${short(target)} ${blockedUntil}`),
  };
  return { log, interceptor: guessLimit({ guesses, key: Buffer.alloc(32, 7), report: () => {} }) };
}

const attempt = (email = 'ada@example.org') => callTo(logIn, { request: { email } });
const verbs = (log: readonly string[]) => log.map((line) => line.replace(/ [0-9a-f]{8}/, ''));

describe('guessLimit', () => {
  it('forgets the wrong guesses after a right one', async () => {
    const { log, interceptor } = noting();
    await pass(interceptor, attempt());
    expect(verbs(log)).toEqual(['begin', 'forget']);
  });

  it('leaves a wrong guess counted', async () => {
    const { log, interceptor } = noting();
    await expect(pass(interceptor, attempt(), new CredentialsInvalid())).rejects.toBeInstanceOf(CredentialsInvalid);
    expect(verbs(log)).toEqual(['begin']);
  });

  it.each([new DeadlinePassed(), new Overloaded('a test'), new Error('a bug')])(
    'takes an attempt back that ends with %s',
    async (error) => {
      const { log, interceptor } = noting({ admitted: true, blockedUntil: 'then' });
      await expect(pass(interceptor, attempt(), error)).rejects.toBe(error);
      expect(verbs(log)).toEqual(['begin', 'take back then']);
    },
  );

  it('refuses during a block and says how long it lasts', async () => {
    const { log, interceptor } = noting({ admitted: false, retryAfterMs: 1234.5 });
    const refused = await pass(interceptor, attempt()).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(GuessesThrottled);
    expect(refused).toMatchObject({ reason: 'GUESSES_THROTTLED', kind: 'overloaded', retryAfterMs: 1235, metadata: {} });
    expect(verbs(log)).toEqual(['begin']);
  });

  it('counts by method and by the value in any case, and keeps neither', async () => {
    const { log, interceptor } = noting({ admitted: false, retryAfterMs: 1 });
    const id = '01930000-0000-7000-8000-00000000abcd';
    for (const call of [
      attempt('Ada@Example.org'),
      attempt('ada@example.ORG'),
      attempt('grace@example.org'),
      callTo(changePassword, { request: { userId: id } }),
      callTo(changePassword, { request: { userId: id.toUpperCase() } }),
    ]) {
      await expect(pass(interceptor, call)).rejects.toBeInstanceOf(GuessesThrottled);
    }
    const [first, second, third, fourth, fifth] = log;
    expect(second).toBe(first);
    expect(fifth).toBe(fourth);
    expect(new Set([first, third, fourth]).size).toBe(3);
  });

  it('does not look at rpcs that tell nothing worth guessing', async () => {
    const { log, interceptor } = noting({ admitted: false, retryAfterMs: 1 });
    await pass(interceptor, callTo(changeName));
    expect(log).toEqual([]);
  });

  it('lets the outcome stand when the count cannot be kept', async () => {
    const away = new Error('the database is away');
    const failing = (): Promise<never> => Promise.reject(away);
    const reported: unknown[] = [];
    const begin = async (): Promise<Attempt> => ({ admitted: true, blockedUntil: '-infinity' });
    const interceptor = guessLimit({
      guesses: { begin, forget: failing, takeBack: failing },
      key: Buffer.alloc(32),
      report: (error) => reported.push(error),
    });
    await pass(interceptor, attempt());
    await expect(pass(interceptor, attempt(), new DeadlinePassed())).rejects.toBeInstanceOf(DeadlinePassed);
    expect(reported).toEqual([away, away]);
  });
});
