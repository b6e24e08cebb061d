import { describe, expect, it } from '@jest/globals';
import { codeOf, cut, insideBrackets, linesOf } from '../../../src/cli/new/source.ts';

describe('codeOf', () => {
  it.each([
    ["a // }'\nb", 'a      \nb'],
    ['a /* } " */ b', 'a           b'],
    ["a 'it\\'s }' b", "a '       ' b"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what is looked at is source.
    ['a `x ${b + `}`} }` c', 'a `              ` c'],
    ['a.replace(/[/}]\\//g, b)', 'a.replace(/      /g, b)'],
    ['a / b / c', 'a / b / c'],
    ['a // the end', 'a           '],
  ])('leaves of %p what is code, where it was', (source, code) => {
    expect(codeOf(source)).toBe(code);
    expect(codeOf(source)).toHaveLength(source.length);
  });
});

describe('insideBrackets', () => {
  it('is not led astray by brackets in texts and comments', () => {
    const source = "defineModule({ a: ['}', f(g)], // ]\n b })";
    const inside = insideBrackets(codeOf(source), /\bdefineModule\(\{/);
    expect(inside && cut(source, inside)).toBe(" a: ['}', f(g)], // ]\n b ");
  });

  it('is nothing where nothing matches', () => {
    expect(insideBrackets('modules: []', /aggregates: \[/)).toBeUndefined();
  });
});

describe('linesOf', () => {
  it('takes the comment above along, and not what is before it', () => {
    const source = 'x();\n\n  /** First.\n   * Second. */\n  // Third.\n  rename() {}\n}\n';
    const from = source.indexOf('rename');
    expect(cut(source, linesOf(source, { from, to: source.indexOf('{}') + 2 }))).toBe(
      '  /** First.\n   * Second. */\n  // Third.\n  rename() {}\n',
    );
  });
});
