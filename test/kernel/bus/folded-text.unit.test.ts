import { describe, expect, it } from '@jest/globals';
import { foldedText, sortedText } from '../../../src/kernel/bus/folded-text.ts';

describe('foldedText', () => {
  it.each([
    ['Ada  Lovelace', 'ada lovelace'],
    ['ΝΙΚΟΣ', 'νικοσ'],
    ['Straße', 'strasse'],
    ['STRAẞE', 'strasse'],
    ['Jose\u0301', 'josé'],
    ['ırmak', 'irmak'],
    ['山田\u3000太郎', '山田 太郎'],
  ])('of %s is %s, and its own', (text, folded) => {
    expect(foldedText(text)).toBe(folded);
    expect(foldedText(folded)).toBe(folded);
  });
});

describe('sortedText', () => {
  it('leaves accents and points out, and no letters', () => {
    expect(['Émile', 'Zöe', 'שָׁלוֹם', 'किरण', 'が'].map(sortedText)).toEqual(['emile', 'zoe', 'שלום', 'किरण', 'が']);
  });
});
