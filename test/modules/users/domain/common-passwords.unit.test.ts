import { describe, expect, it } from '@jest/globals';
import { createGuessEstimate } from '../../../../src/modules/users/domain/common-passwords.ts';

/** The most common first, as in a real list; each costs an attacker its rank. */
const estimate = createGuessEstimate([
  ...['123456', 'password', 'qwerty', 'dragon', 'monkey', 'letmein', 'iloveyou', 'admin', 'sunshine', 'welcome'],
  ...Array.from({ length: 990 }, (_, index) => `filler${index}word`),
  ...['green', 'seven', 'blue', 'tiger', 'love', 'lamp', 'chocolate', 'elephant'],
]);

const THRESHOLD = 8;

describe('guess estimate', () => {
  it.each([
    ['a repetition', 'passwordpassword'],
    ['a repetition that breaks off', '123456123456123'],
    ['a repetition with separators', 'monkey monkey monkey'],
    ['a repetition of what is not common', 'xkqzv!xkqzv!xkqzv!'],
    ['one character', 'aaaaaaaaaaaaaaaa'],
    ['two characters in turn', 'ababababababababab'],
    ['the alphabet', 'abcdefghijklmnop'],
    ['the alphabet backwards', 'zyxwvutsrqponmlk'],
    ['digits in order', '1234567890123456'],
    ['digits backwards', '9876543210987654'],
    ['tripled characters', '111222333444555'],
    ['a row of the keyboard and another', 'qwertyuiopasdfg'],
    ['a row of the keyboard backwards', 'poiuytrewqlkjhgf'],
    ['columns of the keyboard', '1qaz2wsx3edc4rfv'],
    ['two runs in turn', 'q1w2e3r4t5y6u7i8'],
    ['letters and digits in turn', 'a1b2c3d4e5f6g7h8'],
    ['common ones put together', 'passwordmonkeydragon'],
    ['a common one with a year and a sign', 'sunshine2024!!!'],
    ['a common one with a run', 'Password12345678!'],
    ['a common one backwards', 'drowssap!drowssap?'],
    ['mixed case', 'PassWordDRAGON1'],
    ['leetspeak', 'P@55w0rd-m0nk3y'],
    ['leetspeak with another reading of 1', '1l0v3y0u1l0v3you!'],
    ['leetspeak with yet another', 'we1c0me-5un5h1ne'],
    ['separators between all characters', 'p.a.s.s.w.o.r.d.1.2.3'],
    ['two frequent words', 'chocolate elephant'],
    ['a phrase that everybody knows', 'correct horse battery staple'],
    ['the same in another dress', 'Correct-Horse-Battery-Staple1'],
  ])('finds %s common: %s', (_, password) => {
    expect(estimate(password)).toBeLessThan(THRESHOLD);
  });

  it.each([
    'seven green lamps hum',
    'sevengreenlampshum',
    'blue tiger love lamp',
    'i love my cat so much',
    'my dog ate my homework',
    'we eat rice daily now',
    'großer grüner baum',
    '四つの緑のランプがうなっています',
    'xkqzvbnwpltrmjh',
    '83920174659183740',
    'K7#pQ!x9Lm$2vR@w',
  ])('lets an ordinary passphrase or a random text pass: %s', (password) => {
    expect(estimate(password)).toBeGreaterThanOrEqual(THRESHOLD);
  });

  it('counts a word by its rank', () => {
    expect(estimate('123456')).toBeCloseTo(Math.log10(2));
    expect(estimate('dragon')).toBeCloseTo(Math.log10(5));
    expect(estimate('we1come')).toBeCloseTo(Math.log10(11));
  });

  it('counts a year for two digits, and a repeated word for little more than one', () => {
    expect(estimate('dragon1987')).toBeCloseTo(Math.log10(5) + 2);
    expect(estimate('dragon1887')).toBeCloseTo(Math.log10(5) + 4);
    expect(estimate('monkeymonkeymonkeyzx')).toBeCloseTo(Math.log10(6) + Math.log10(3) + 2);
  });

  it('works without a list', () => {
    expect(createGuessEstimate([])('qwertyuiopasdfg')).toBeLessThan(THRESHOLD);
    expect(createGuessEstimate([])('seven green lamps hum')).toBeGreaterThan(THRESHOLD);
  });

  it.each([
    'p@s5w0rd'.repeat(16),
    `${'a1b2c3!'.repeat(18)}x`,
    `${'1'.repeat(127)}x`,
    '🦊'.repeat(64),
    '!'.repeat(128),
    'monkeydragon'.repeat(10),
  ])('ends for a long text: %.12s…', (password) => {
    expect(estimate(password)).toBeGreaterThan(0);
  });
});
