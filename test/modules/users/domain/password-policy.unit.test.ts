import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { createPasswordPolicy, normalizePassword } from '../../../../src/modules/users/domain/password-policy.ts';

const owner = { name: 'Ada Lovelace-King Bo', email: 'Countess@Example.com' };

describe('password policy', () => {
  const accept = createPasswordPolicy((password) => (password.startsWith('common') ? 7.9 : 8));
  const refusalOf = (password: string, of = owner) => accept(password, of, 'password')._unsafeUnwrapErr();

  it('answers the password in the form to be hashed', () => {
    // Composed and decomposed é; a ligature; full-width letters.
    for (const password of ['café au lait noir', 'cafe\u0301 au lait noir', 'ﬁve green lamps', 'ｆｉｖｅ green lamps']) {
      expect(accept(password, owner, 'password')._unsafeUnwrap()).toBe(password.normalize('NFKC'));
    }
    expect(normalizePassword('cafe\u0301')).toBe('café');
  });

  it('asks for no kinds of characters', () => {
    for (const password of [
      'wxkjqhzvbnmpltr',
      'ご飯は毎日おいしく食べましょう',
      '🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🐦🐤🦆',
      '               x',
    ]) {
      expect(accept(password, owner, 'password').isOk()).toBe(true);
    }
  });

  it('counts characters after normalization, not before', () => {
    expect(refusalOf('e\u0301'.repeat(14))).toMatchObject({
      reason: 'PASSWORD_TOO_SHORT',
      code: Code.InvalidArgument,
      violations: [{ field: 'password', description: 'must be at least 15 characters' }],
    });
    expect(accept('x\u0301yzabcdefghijklm', owner, 'password').isOk()).toBe(true);
    expect(refusalOf('🦊'.repeat(14)).reason).toBe('PASSWORD_TOO_SHORT');
    expect(accept('x'.repeat(128), owner, 'password').isOk()).toBe(true);
    expect(refusalOf('x'.repeat(129)).reason).toBe('PASSWORD_TOO_LONG');
    // One character that normalizes to eighteen.
    expect(refusalOf('ﷺ'.repeat(8)).reason).toBe('PASSWORD_TOO_LONG');
  });

  it('takes a lone surrogate for the character that stands for a broken one', () => {
    expect(normalizePassword('a\ud800b')).toBe('a\ufffdb');
  });

  it('refuses a common one', () => {
    expect(refusalOf('common enough to guess').reason).toBe('PASSWORD_COMMON');
  });

  it.each([
    'my mail countess@example.com',
    'the COUNTESS of nothing',
    'green LOVELACE lamps',
    'the king of the lamps',
    'ｌｏｖｅｌａｃｅ in full width',
  ])('refuses one with the name or the e-mail: %s', (password) => {
    expect(refusalOf(password).reason).toBe('PASSWORD_PERSONAL');
  });

  it('allows parts of a name that are short enough to be in many words', () => {
    expect(accept('adamant bonobo lamps', owner, 'password').isOk()).toBe(true);
    expect(accept('at every corner it hums', { name: 'A', email: 'it@x.org' }, 'password').isOk()).toBe(true);
  });

  it('names the field that holds the password, and quotes nothing', () => {
    const refusal = accept('a lovelace password', owner, 'new_password')._unsafeUnwrapErr();
    expect(refusal.violations).toEqual([
      { field: 'new_password', description: 'must not hold the name or the e-mail address, nor be an e-mail address' },
    ]);
    expect(refusal.message).not.toMatch(/lovelace/i);
  });
});
