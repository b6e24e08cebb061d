import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { principalKey } from '../../../src/kernel/bus/context-keys.ts';
import { DeadlinePassed, GuessesExhausted, GuessesThrottled, Overloaded } from '../../../src/kernel/bus/errors.ts';
import type { Admission, Count } from '../../../src/kernel/database/limits/guesses.ts';
import { guessing } from '../../../src/kernel/database/limits/guessing.ts';
import { guessLimit } from '../../../src/kernel/middleware/guess-limit.ts';
import { CredentialsInvalid } from '../../../src/modules/users/domain/user-errors.ts';
import { around, callTo, pass } from './test-call.ts';

const { logIn, changePassword, changeName } = CommandService.method;
const ADMITTED: Admission = { state: 'admitted', retryAfterMs: 0 };

/** Notes what is asked of it, by the first letters of each target. */
function noting({ admission = () => ADMITTED, known = [] }: { admission?: (count: Count) => Admission; known?: string[] } = {}) {
  const log: string[] = [];
  const short = (target: Buffer) => target.toString('hex').slice(0, 8);
  const guesses = {
    begin: async (count: Count) => {
      log.push(`begin ${short(count.target)}`);
      return admission(count);
    },
    right: async (counts: readonly Count[]) => {
      for (const { target } of counts) log.push(`right ${short(target)}`);
    },
    wrong: async ({ target }: Count) => void log.push(`wrong ${short(target)}`),
    takeBack: async ({ target }: Count) => void log.push(`take back ${short(target)}`),
    knows: async (account: Buffer, client: Buffer) => known.includes(`${short(account)} ${short(client)}`),
    remember: async (account: Buffer, client: Buffer) => void known.push(`${short(account)} ${short(client)}`),
  };
  const report = () => {};
  return {
    log,
    known,
    interceptor: guessLimit({ guessing: guessing({ guesses, report }), guesses, key: Buffer.alloc(32, 7), report }),
  };
}

const attempt = (email = 'ada@example.org', { from = '192.0.2.1:4711', header = {} as Record<string, string> } = {}) => {
  const call = callTo(logIn, { request: { email }, header });
  return Object.assign(call, { origin: { ...call.origin, peer: from } });
};
const verbs = (log: readonly string[]) => log.map((line) => line.replace(/ [0-9a-f]{8}/, ''));
const targets = (log: readonly string[]) => log.map((line) => line.slice(-8));

describe('guessLimit', () => {
  it('counts at the client and at the account, and forgets both after a right guess', async () => {
    const { log, interceptor } = noting();
    await pass(interceptor, attempt());
    expect(verbs(log)).toEqual(['begin', 'begin', 'right', 'right']);
    expect(new Set(targets(log)).size).toBe(2);
  });

  it('leaves a wrong guess counted', async () => {
    const { log, interceptor } = noting();
    await expect(pass(interceptor, attempt(), new CredentialsInvalid())).rejects.toBeInstanceOf(CredentialsInvalid);
    expect(verbs(log)).toEqual(['begin', 'begin', 'wrong', 'wrong']);
  });

  it.each([new DeadlinePassed(), new Overloaded('a test'), new Error('a bug')])(
    'takes a guess back that ends with %s',
    async (error) => {
      const { log, interceptor } = noting();
      await expect(pass(interceptor, attempt(), error)).rejects.toBe(error);
      expect(verbs(log)).toEqual(['begin', 'begin', 'take back', 'take back']);
    },
  );

  it('takes a guess back that got the answer of before, which is no proof of the secret as it is now', async () => {
    const { log, interceptor } = noting();
    const call = callTo(changePassword, { request: { userId: 'x', currentPassword: 'y' } });
    const before = new Answer(call.method, create(call.method.output)).recordedAs('01930000-0000-7000-8000-000000000000');
    await around(interceptor, call.method, async () => before)(call);
    expect(verbs(log)).toEqual(['begin', 'take back']);
  });

  it('refuses during a block and says how long it lasts', async () => {
    const { log, interceptor } = noting({ admission: () => ({ state: 'blocked', retryAfterMs: 1234.5 }) });
    const refused = await pass(interceptor, attempt()).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(GuessesThrottled);
    expect(refused).toMatchObject({
      reason: 'GUESSES_THROTTLED',
      code: Code.ResourceExhausted,
      retryAfterMs: 1235,
      metadata: {},
    });
    expect(verbs(log)).toEqual(['begin']);
  });

  it('counts nowhere when one of the counts refuses', async () => {
    const { log, interceptor } = noting({
      admission: ({ free }) => ({ state: free > 5 ? 'ended' : 'admitted', retryAfterMs: 0 }),
    });
    await expect(pass(interceptor, attempt())).rejects.toBeInstanceOf(GuessesExhausted);
    expect(verbs(log)).toEqual(['begin', 'begin', 'take back']);
  });

  it('holds a guess while others are under way, and lets it go on when they are known', async () => {
    let looks = 0;
    const { log, interceptor } = noting({
      admission: () => {
        looks += 1;
        return looks < 4 ? { state: 'held', retryAfterMs: 0 } : ADMITTED;
      },
    });
    await pass(interceptor, attempt());
    expect(verbs(log)).toEqual(['begin', 'begin', 'begin', 'begin', 'begin', 'right', 'right']);
  });

  it('lets a held guess leave with its call', async () => {
    const { interceptor } = noting({ admission: () => ({ state: 'held', retryAfterMs: 0 }) });
    const call = attempt();
    const waiting = pass(interceptor, call);
    call.cancellation.cancel(new DeadlinePassed());
    await expect(waiting).rejects.toBeInstanceOf(DeadlinePassed);
  });

  it('counts clients of different networks apart, and at the account together', async () => {
    const { log, interceptor } = noting();
    for (const from of ['192.0.2.1:1', '192.0.2.2:1', '[2001:db8::1]:1', '[2001:db8::2]:1']) {
      await expect(pass(interceptor, attempt('ada@example.org', { from }), new CredentialsInvalid())).rejects.toThrow();
    }
    const begun = targets(log.filter((line) => line.startsWith('begin')));
    const [clients, accounts] = [begun.filter((_, n) => n % 2 === 0), begun.filter((_, n) => n % 2 === 1)];
    expect(new Set(accounts).size).toBe(1);
    expect(new Set(clients).size).toBe(3);
    expect(clients[2]).toBe(clients[3]);
  });

  it('leaves a network that was right before out of what strangers are counted by', async () => {
    const { log, interceptor } = noting();
    await pass(interceptor, attempt());
    log.length = 0;
    await expect(pass(interceptor, attempt(), new CredentialsInvalid())).rejects.toThrow();
    expect(verbs(log)).toEqual(['begin', 'wrong']);
  });

  it('knows a device by its token, wherever it is, at its account alone, for 90 days', async () => {
    const { log, interceptor, known } = noting();
    const device = (await pass(interceptor, attempt())).header.get('cqrs-device') ?? '';
    expect(device).toMatch(/^[\w-]{72}$/);
    const guess = async (email: string, from: string, token: string) => {
      log.length = 0;
      known.length = 0;
      const call = attempt(email, { from, header: { 'cqrs-device': token } });
      await expect(pass(interceptor, call, new CredentialsInvalid())).rejects.toThrow();
      return { counts: log.length / 2, client: targets(log)[0] };
    };
    const [here, there] = [
      await guess('ada@example.org', '192.0.2.1:1', device),
      await guess('ADA@example.org', '192.0.2.9:1', device),
    ];
    expect(here).toEqual({ counts: 1, client: there.client });
    expect((await guess('grace@example.org', '192.0.2.1:1', device)).counts).toBe(2);
    for (const token of ['', 'x', 'A'.repeat(72), `${device.slice(0, -2)}AA`, device.slice(4)]) {
      expect((await guess('ada@example.org', '192.0.2.1:1', token)).counts).toBe(2);
    }
    const later = attempt('ada@example.org', { header: { 'cqrs-device': device } });
    Object.defineProperty(later, 'receivedAt', { value: new Date(Date.now() + 91 * 86_400_000) });
    log.length = 0;
    await expect(pass(interceptor, later, new CredentialsInvalid())).rejects.toThrow();
    expect(log).toHaveLength(4);
  });

  it('ends the count of strangers, too, when a known client is right', async () => {
    const { log, interceptor } = noting();
    const device = (await pass(interceptor, attempt())).header.get('cqrs-device') ?? '';
    log.length = 0;
    const again = await pass(interceptor, attempt('ada@example.org', { header: { 'cqrs-device': device } }));
    expect(verbs(log)).toEqual(['begin', 'right', 'right']);
    // The device stays the same one, for as long again.
    const idOf = (token: string) => Buffer.from(token, 'base64url').subarray(0, 16);
    expect(idOf(again.header.get('cqrs-device') ?? '')).toEqual(idOf(device));
  });

  it('counts by what is guessed at in any case, and holds no name', async () => {
    const { log, interceptor } = noting();
    const id = '01930000-0000-7000-8000-00000000abcd';
    for (const call of [
      attempt('Ada@Example.org'),
      attempt(' ada@example.ORG'),
      attempt('grace@example.org'),
      callTo(changePassword, { request: { userId: id, currentPassword: 'y' } }),
      callTo(changePassword, { request: { userId: id.toUpperCase(), currentPassword: 'y' } }),
    ]) {
      call.contextValues.set(principalKey, undefined);
      await expect(pass(interceptor, call, new DeadlinePassed())).rejects.toThrow();
    }
    const accounts = log.filter((line) => line.startsWith('begin')).filter((_, n) => [1, 3, 5, 6, 7].includes(n));
    const [first, second, third, fourth, fifth] = accounts;
    expect(second).toBe(first);
    expect(fifth).toBe(fourth);
    expect(new Set([first, third, fourth]).size).toBe(3);
  });

  it('does not count a call with a session that brings no secret: it neither guesses nor ends the count', async () => {
    const { log, interceptor } = noting();
    await pass(interceptor, callTo(changePassword, { request: { userId: 'x' } }));
    expect(log).toEqual([]);
  });

  it('does not look at rpcs that tell nothing worth guessing', async () => {
    const { log, interceptor } = noting();
    await pass(interceptor, callTo(changeName));
    expect(log).toEqual([]);
  });

  it('lets the outcome stand when the count cannot be kept', async () => {
    const away = new Error('the database is away');
    const failing = (): Promise<never> => Promise.reject(away);
    const reported: unknown[] = [];
    const report = (error: unknown) => void reported.push(error);
    const guesses = {
      begin: async () => ADMITTED,
      right: failing,
      wrong: failing,
      takeBack: failing,
      knows: async () => true,
      remember: failing,
    };
    const interceptor = guessLimit({ guessing: guessing({ guesses, report }), guesses, key: Buffer.alloc(32), report });
    await pass(interceptor, attempt());
    await expect(pass(interceptor, attempt(), new DeadlinePassed())).rejects.toBeInstanceOf(DeadlinePassed);
    expect(reported).toEqual([away, away, away]);
  });
});
