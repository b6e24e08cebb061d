import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { Call } from '../../../src/kernel/bus/call.ts';
import { causeKey, principalKey } from '../../../src/kernel/bus/context-keys.ts';
import { RateLimited } from '../../../src/kernel/bus/errors.ts';
import { ANONYMOUS } from '../../../src/kernel/bus/principal.ts';
import { memoryRates, parseRates, type RateOverrides } from '../../../src/kernel/database/limits/rates.ts';
import { rateLimit } from '../../../src/kernel/middleware/rate-limit.ts';
import { callTo, pass } from './test-call.ts';

const { changeName, suspendUser, createUser, logIn } = CommandService.method;
const limited = (text: string, by: 'network' | 'principal' = 'principal') =>
  rateLimit({ counters: memoryRates, overrides: parseRates(text) as RateOverrides }, by);

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
    expect(refused).toMatchObject({ reason: 'RATE_LIMITED', code: Code.ResourceExhausted, metadata: { class: 'write' } });
    expect((refused as RateLimited).retryAfterMs).toBeGreaterThan(59_000);
    expect((refused as RateLimited).retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('does not count the commands of reactors: each is the effect of an event that happened', async () => {
    const limit = limited('write=1/60s');
    const cause = { eventId: 'an event', correlationId: 'a command' };
    const sent = (door: 'in-process' | 'grpc', isCaused: boolean) => {
      const call = new Call({
        method: changeName,
        request: create(changeName.input),
        origin: { door, peer: '', deadline: undefined, requestMethod: 'POST' },
        header: () => new Headers(),
      });
      call.contextValues.set(principalKey, { ...ANONYMOUS, id: `reactor of ${door}` });
      if (isCaused) call.contextValues.set(causeKey, cause);
      return call;
    };
    for (let n = 0; n < 3; n += 1) await pass(limit, sent('in-process', true));
    await pass(limit, sent('in-process', false));
    await expect(pass(limit, sent('in-process', false))).rejects.toBeInstanceOf(RateLimited);
    await pass(limit, sent('grpc', true));
    await expect(pass(limit, sent('grpc', true))).rejects.toBeInstanceOf(RateLimited);
  });

  it('counts each caller by itself', async () => {
    const limit = limited('write=1/60s');
    await pass(limit, callBy('ada'));
    await pass(limit, callBy('grace'));
    await expect(pass(limit, callBy('ada'))).rejects.toBeInstanceOf(RateLimited);
  });

  it('counts the methods of a class together, and classes apart', async () => {
    const limit = limited('write=1/60s');
    await pass(limit, callBy('ada', changeName));
    await expect(pass(limit, callBy('ada', suspendUser))).rejects.toBeInstanceOf(RateLimited);
    const anonymous = limited('log-in=1/60s,sign-up=1/60s', 'network');
    await pass(anonymous, callTo(createUser));
    await pass(anonymous, callTo(logIn));
    await expect(pass(anonymous, callTo(logIn))).rejects.toBeInstanceOf(RateLimited);
  });

  it('counts where anybody may call by network, whoever they say they are', async () => {
    const limit = limited('sign-up=2/60s', 'network');
    await pass(limit, callBy('ada', createUser));
    await pass(limit, callTo(createUser));
    await expect(pass(limit, callBy('grace', createUser))).rejects.toBeInstanceOf(RateLimited);
    await expect(pass(limit, callTo(createUser))).rejects.toBeInstanceOf(RateLimited);
    const elsewhere = callTo(createUser);
    await pass(limit, Object.assign(elsewhere, { origin: { ...elsewhere.origin, peer: '[2001:db8::1]:1' } }));
  });

  it('leaves to the count by principal what needs a token, and the other way round', async () => {
    const [byNetwork, byPrincipal] = [limited('write=1/60s', 'network'), limited('sign-up=1/60s')];
    for (let call = 0; call < 3; call++) await pass(byNetwork, callBy('ada', changeName));
    for (let call = 0; call < 3; call++) await pass(byPrincipal, callBy('ada', createUser));
  });

  it('does not count anonymous calls in this process', async () => {
    const limit = limited('sign-up=1/60s', 'network');
    const inside = callTo(createUser);
    for (let call = 0; call < 3; call++) await pass(limit, Object.assign(inside, { origin: { ...inside.origin, peer: '' } }));
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
