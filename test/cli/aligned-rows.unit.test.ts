import { describe, expect, it } from '@jest/globals';
import { alignedRows } from '../../src/cli/aligned-rows.ts';

describe('alignedRows', () => {
  it('makes each column as wide as its widest cell', () => {
    expect(
      alignedRows()([
        ['A', 'NAME', 'END'],
        ['long', 'x', 'y'],
      ]),
    ).toBe('A     NAME  END\nlong  x     y\n');
  });

  it('keeps the widths for rows that come later', () => {
    const lines = alignedRows();
    lines([['longest', 'x']]);
    expect(lines([['a', 'b']])).toBe('a        b\n');
  });

  it('writes a dash for nothing, and no blanks at the end', () => {
    expect(
      alignedRows()([
        ['', 'b'],
        ['a', ''],
      ]),
    ).toBe('-  b\na  -\n');
  });

  it('lets no cell command the terminal or begin a line', () => {
    expect(alignedRows()([['\u001b[2Jx\ny\u009b1m\u202ez']])).toBe('\\u001b[2Jx\\ny\\u009b1m\\u202ez\n');
  });
});
