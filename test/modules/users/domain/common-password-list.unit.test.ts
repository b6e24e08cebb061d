import { beforeAll, describe, expect, it } from '@jest/globals';
import { dictionary } from '@zxcvbn-ts/language-common';
import fc from 'fast-check';
import { createGuessEstimate, type GuessEstimate } from '../../../../src/modules/users/domain/common-passwords.ts';
import { createPasswordPolicy } from '../../../../src/modules/users/domain/password-policy.ts';

/** The list that the program uses. */
describe('list of common passwords', () => {
  const list = dictionary['passwords-common'];
  const owner = { name: 'Ada', email: 'ada@example.com' };
  let estimate: GuessEstimate;
  beforeAll(() => {
    estimate = createGuessEstimate(list);
  });

  it('has tens of thousands of entries, the most common first', () => {
    expect(list.length).toBeGreaterThan(40_000);
    expect(list.slice(0, 2)).toEqual(['123456', 'password']);
  });

  it('refuses every entry that is long enough to be asked about', () => {
    const accept = createPasswordPolicy(estimate);
    const long = list.filter((entry) => entry.length >= 15);
    expect(long.length).toBeGreaterThan(20);
    for (const entry of long) expect(accept(entry, owner, 'password')._unsafeUnwrapErr().reason).toBe('PASSWORD_COMMON');
  });

  it.each([
    'Bicameral service 1',
    'bicameral bicameral',
    'Bicameral2026!!',
    'B1c@m3r@l-s3rv1c3',
    'acme widgets 2026',
    'AcmeWidgetsAcme1',
    'ada acme password',
  ])('refuses %s, where it is made of words of the context', (password) => {
    const accept = createPasswordPolicy(createGuessEstimate(list, ['bicameral', 'widgets']));
    const result = accept(password, { name: 'Ada B', email: 'someone@mail.acme.example' }, 'password');
    expect(result._unsafeUnwrapErr().reason).toBe('PASSWORD_COMMON');
  });

  it.each(['grace@example.org', 'Grace.Hopper+navy@mail.example.org', 'grace@example.org1!', '"grace@example.org"'])(
    "refuses %s, somebody else's address",
    (password) => {
      expect(createPasswordPolicy(estimate)(password, owner, 'password')._unsafeUnwrapErr().reason).toBe('PASSWORD_PERSONAL');
    },
  );

  it.each(['k9@xL2mQ.vR7tYw3z', 'meet me @ seven.ish'])('takes %s for no address', (password) => {
    expect(createPasswordPolicy(estimate)(password, owner, 'password').isOk()).toBe(true);
  });

  it('lets words of the context stand beside enough others', () => {
    const accept = createPasswordPolicy(createGuessEstimate(list, ['bicameral']));
    expect(accept('bicameral lamps hum seven greens', owner, 'password').isOk()).toBe(true);
  });

  it('lets passphrases of four words that were drawn by dice pass', () => {
    const accept = createPasswordPolicy(estimate);
    const words = fc.tuple(...Array.from({ length: 4 }, () => fc.constantFrom(...dictionary['diceware-common'])));
    const passphrase = words
      .map((drawn) => drawn.join(' '))
      .filter((text) => text.length >= 15 && new Set(text.split(' ')).size === 4);
    fc.assert(
      fc.property(passphrase, (text) => accept(text, owner, 'password').isOk()),
      { numRuns: 100 },
    );
  });

  it.each(['seven green lamps hum', 'my dog ate my homework', 'purple lamps sing loudly'])('lets %s pass', (password) => {
    expect(createPasswordPolicy(estimate)(password, owner, 'password').isOk()).toBe(true);
  });
});
