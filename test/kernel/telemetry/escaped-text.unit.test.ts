import { describe, expect, it } from '@jest/globals';
import { escapedLine, escapedText } from '../../../src/kernel/telemetry/escaped-text.ts';

const HOSTILE = '\u001b]0;title\u0007 \u009b31m \u202eeviL\u2069 \u2028 \u200b \ufeff \r\t\u007f';

describe('escapedText', () => {
  it('writes what commands a terminal as an escape, and leaves lines and words', () => {
    expect(escapedText(HOSTILE)).toBe(
      '\\u001b]0;title\\u0007 \\u009b31m \\u202eeviL\\u2069 \\u2028 \\u200b \\ufeff \\u000d\\u0009\\u007f',
    );
    const written = 'می\u200cخواهم José\n\u{1f468}\u200d\u{1f469}';
    expect(escapedText(written)).toBe(written);
    expect(escapedLine('a\nb')).toBe('a\\nb');
  });

  it('keeps the meaning of JSON', () => {
    const value = { [HOSTILE]: HOSTILE };
    const json = escapedText(JSON.stringify(value));
    expect(json).not.toMatch(/[\p{Cc}\u2028\u202e\u2069]/u);
    expect(JSON.parse(json)).toEqual(value);
  });
});
