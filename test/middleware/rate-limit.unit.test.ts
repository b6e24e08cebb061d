import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { principalKey } from '../../src/cqrs/context-keys.ts';
import { RateLimited } from '../../src/cqrs/errors.ts';
import { ANONYMOUS } from '../../src/cqrs/principal.ts';
import { rateLimit } from '../../src/middleware/rate-limit.ts';
import { memoryRates, parseRates, type RateOverrides } from '../../src/middleware/rates.ts';
import { callTo, pass } from './test-call.ts';

const { changeName, changeEmail, createUser } = CommandService.method;
const limited = (text: string) => rateLimit({ counters: memoryRates, overrides: parseRates(text) as RateOverrides });

function callBy(id: string, method: Parameters<typeof callTo>[0] = changeName) {
  const call = callTo(method);
  call.contextValues.set(principalKey, { ...ANONYMOUS, id });
  return call;
}

describe('rateLimit', () => {
  it('lets a caller call as often as the class allows, then says when the period ends', async () => {
    const limit = limited('write=2/60s');
    await pass(limit, callBy('ada'));
    await pass(limit, callBy('ada'));
    const refused = await pass(limit, callBy('ada')).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RateLimited);
    expect(refused).toMatchObject({ reason: 'RATE_LIMITED', kind: 'overloaded', metadata: { class: 'write' } });
    expect((refused as RateLimited).retryAfterMs).toBeGreaterThan(59_000);
    expect((refused as RateLimited).retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('counts each caller by itself', async () => {
    const limit = limited('write=1/60s');
    await pass(limit, callBy('ada'));
    await pass(limit, callBy('grace'));
    await expect(pass(limit, callBy('ada'))).rejects.toBeInstanceOf(RateLimited);
  });

  it('counts the methods of a class together, and classes apart', async () => {
    const limit = limited('write=1/60s,sign-up=1/60s');
    await pass(limit, callBy('ada', changeName));
    await pass(limit, callBy('ada', createUser));
    await expect(pass(limit, callBy('ada', changeEmail))).rejects.toBeInstanceOf(RateLimited);
  });

  it('counts nothing where the contract has no rate, or the class is off', async () => {
    const limit = limited('write=off');
    for (let call = 0; call < 3; call++) await pass(limit, callBy('ada', QueryService.method.getUser));
    for (let call = 0; call < 3; call++) await pass(limit, callBy('ada'));
  });

  it('passes on what the handler failed with', async () => {
    await expect(pass(limited(''), callBy('ada'), new Error('broken'))).rejects.toThrow('broken');
  });
});

describe('parseRates', () => {
  it('reads classes with calls and seconds, or off', () => {
    expect(parseRates('sign-up=10/60s, write=1000/1s,log-in=off')).toEqual(
      new Map<string, unknown>([
        ['sign-up', { calls: 10, seconds: 60 }],
        ['write', { calls: 1000, seconds: 1 }],
        ['log-in', 'off'],
      ]),
    );
    expect(parseRates('')).toEqual(new Map());
  });

  it.each(['write', 'write=', 'write=10', 'write=10/s', 'write=0/1s', 'write=1/0s', 'write=-1/1s', 'a=off,a=off', '=1/1s'])(
    'refuses %j',
    (text) => {
      expect(parseRates(text)).toBeUndefined();
    },
  );
});
