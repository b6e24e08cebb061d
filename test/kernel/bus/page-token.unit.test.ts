import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createPageTokens, PageTokenInvalid } from '../../../src/kernel/bus/page-token.ts';

const tokens = createPageTokens(randomBytes(32));

describe('page tokens', () => {
  it('give the position back for the same list', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (list, position) => {
        expect(tokens.open(list, tokens.seal(list, position))).toEqual(position);
      }),
    );
  });

  it('are never sealed with the same nonce', () => {
    const sealed = Array.from({ length: 1_000 }, () => tokens.seal(['users'], ['a', 'b']));
    const nonces = sealed.map((token) => Buffer.from(token, 'base64url').toString('hex', 0, 12));
    expect(new Set(nonces).size).toBe(1_000);
  });

  it('open no other list', () => {
    const token = tokens.seal(['users', 'active'], ['a', 'b']);
    expect(() => tokens.open(['users', 'deleted'], token)).toThrow(PageTokenInvalid);
  });

  it('open under no other key', () => {
    const token = createPageTokens(randomBytes(32)).seal(['users'], ['a']);
    expect(() => tokens.open(['users'], token)).toThrow(PageTokenInvalid);
  });

  it('are refused when one bit differs, and for any garbage', () => {
    const bytes = Buffer.from(tokens.seal(['users'], ['a']), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = Buffer.from(bytes);
      forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => tokens.open(['users'], forged.toString('base64url'))).toThrow(PageTokenInvalid);
    }
    fc.assert(fc.property(fc.string(), (garbage) => expect(() => tokens.open(['users'], garbage)).toThrow(PageTokenInvalid)));
  });

  it('have one spelling', () => {
    const token = tokens.seal(['users'], ['a']);
    for (const other of [`${token}=`, ` ${token}`, `${token}\n`])
      expect(() => tokens.open(['users'], other)).toThrow(PageTokenInvalid);
  });
});
