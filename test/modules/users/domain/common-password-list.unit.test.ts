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
