import { beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/argon2';
import { createSecretHasher } from '../../../../src/kernel/auth/secret-hasher.ts';
import { Overloaded } from '../../../../src/kernel/bus/errors.ts';
import { createPasswordHasher, type PasswordHasher } from '../../../../src/modules/users/persistence/password-hasher.ts';

describe('password hasher', () => {
  let hasher: PasswordHasher;
  beforeAll(async () => {
    hasher = await createPasswordHasher(createSecretHasher({ concurrency: 1 }));
  });

  it('writes a PHC string with the parameters that OWASP recommends, salted anew each time', async () => {
    const phc = await hasher.hash('seven green lamps hum');
    expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(await hasher.hash('seven green lamps hum')).not.toBe(phc);
  });

  it('tells the right password from a wrong one', async () => {
    const phc = await hasher.hash('seven green lamps hum');
    expect(await hasher.verify(phc, 'seven green lamps hum')).toEqual({ matches: true, outdated: false });
    expect(await hasher.verify(phc, 'seven green lamps hun')).toEqual({ matches: false, outdated: false });
  });

  it('knows a password however its characters are composed', async () => {
    const phc = await hasher.hash('cafe\u0301 au lait noir');
    expect(await hasher.verify(phc, 'café au lait noir')).toMatchObject({ matches: true });
  });

  it.each([
    ['less memory', { memoryCost: 8192, timeCost: 2 }],
    ['fewer passes', { memoryCost: 19_456, timeCost: 1 }],
    ['another variant', { memoryCost: 19_456, timeCost: 2, algorithm: 1 }],
  ])('says that a hash with %s is outdated', async (_, parameters) => {
    const phc = await hash('seven green lamps hum', parameters);
    expect(await hasher.verify(phc, 'seven green lamps hum')).toEqual({ matches: true, outdated: true });
  });

  it('does not say so of a hash with higher parameters', async () => {
    const phc = await hash('seven green lamps hum', { memoryCost: 32_768, timeCost: 3 });
    expect(await hasher.verify(phc, 'seven green lamps hum')).toEqual({ matches: true, outdated: false });
  });

  it('rejects what is no hash', async () => {
    await expect(hasher.verify('plain text', 'plain text')).rejects.toThrow();
  });

  it('leaves the event loop free', async () => {
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    await Promise.all(Array.from({ length: 4 }, () => hasher.hash('seven green lamps hum')));
    clearInterval(counting);
    // A hash in the thread of the event loop would leave none.
    expect(turns).toBeGreaterThan(0);
  });

  it('refuses a call when too many wait, and lets a waiting call leave', async () => {
    const busy = await createPasswordHasher(createSecretHasher({ concurrency: 1, maxWaiting: 1 }));
    const first = busy.hash('first password');
    const leaving = new AbortController();
    const second = busy.verifyNothing('second password', leaving.signal);

    await expect(busy.hash('third password')).rejects.toBeInstanceOf(Overloaded);
    leaving.abort(new Error('the caller gave up'));
    await expect(second).rejects.toThrow('the caller gave up');
    await first;
  });

  it('takes its share of the machine and of the queue, when several processes hash', async () => {
    const one = createSecretHasher({ processes: 64 });
    const calls = Array.from({ length: 3 }, () => one.hash('seven green lamps hum'));
    const [running, waiting, refused] = await Promise.allSettled(calls);
    expect([running?.status, waiting?.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(Overloaded) });
  });
});
