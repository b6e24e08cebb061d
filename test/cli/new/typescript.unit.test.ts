import { describe, expect, it } from '@jest/globals';
import {
  memberIn,
  withCase,
  withElement,
  withImport,
  withListed,
  withMethod,
  withUnionMember,
} from '../../../src/cli/new/typescript.ts';

describe('an import', () => {
  it('joins the names that come from there', () => {
    expect(withImport("import { a } from './a.ts';\n", { name: 'b', from: './a.ts' })).toBe("import { b, a } from './a.ts';\n");
  });

  it('of a type joins those of values, and a value does not join those of types', () => {
    expect(withImport("import { a } from './a.ts';\n", { name: 'B', from: './a.ts', isType: true })).toBe(
      "import { type B, a } from './a.ts';\n",
    );
    expect(withImport("import type { A } from './a.ts';\n", { name: 'b', from: './a.ts' })).toBe(
      "import type { A } from './a.ts';\nimport { b } from './a.ts';\n",
    );
  });

  it('is made once', () => {
    const source = "import {\n  a,\n  type B,\n} from './a.ts';\n";
    expect(withImport(source, { name: 'B', from: './a.ts', isType: true })).toBe(source);
  });

  it('stands behind the others', () => {
    expect(withImport("import { a } from './a.ts';\n\nconst x = 1;\n", { name: 'c', from: './c.ts' })).toBe(
      "import { a } from './a.ts';\nimport { c } from './c.ts';\n\nconst x = 1;\n",
    );
  });
});

describe('an element of a list', () => {
  const head = /\bmodules:\s*\[/;

  it.each([
    ['f({ modules: [] })', 'f({ modules: [ c] })'],
    ['f({ modules: [a, b] })', 'f({ modules: [a, b, c] })'],
    ["f({ modules: [g([1]), ']'] })", "f({ modules: [g([1]), ']', c] })"],
    [
      'f({\n  modules: [\n    a, // the first ]\n    b,\n  ],\n})',
      'f({\n  modules: [\n    a, // the first ]\n    b,\nc,\n  ],\n})',
    ],
  ])('of %p stands behind the others', (source, changed) => {
    expect(withElement(source, head, 'c')).toBe(changed);
  });

  it('has no place where there is no such list, or only one in a comment', () => {
    expect(withElement('// modules: []', head, 'c')).toBeUndefined();
  });

  it('begins the list of a module that has none', () => {
    expect(withListed("export const a = defineModule({\n  name: 'a',\n});\n", 'aggregates', 'B')).toContain('aggregates: [B],');
  });
});

describe('a class', () => {
  const source = `class Order {
  private _a = 1;

  /** Says what. */
  rename(name: string, change: { at: Date }): Result<void, { a: 1 }> {
    return { a: '}' };
  }

  /** Nobody's business. */
  private decide(): void {
    return;
  }
}
`;

  it('has methods with their docstrings', () => {
    expect(memberIn(source, 'rename')).toBe(
      "  /** Says what. */\n  rename(name: string, change: { at: Date }): Result<void, { a: 1 }> {\n    return { a: '}' };\n  }\n",
    );
  });

  it('takes another in front of the private ones', () => {
    expect(withMethod(source, 'Order', '  cancel(): void {}\n')).toContain(
      "  }\n\n  cancel(): void {}\n\n  /** Nobody's business. */\n  private decide",
    );
    expect(withMethod('class A {\n  a = 1;\n}\n', 'A', '  b(): void {}\n')).toBe('class A {\n  a = 1;\n\n  b(): void {}\n}\n');
  });
});

describe('a union', () => {
  it.each([
    ['type E = never;', "type E =\n  | { type: 'B' };"],
    ["type E = { type: 'A'; a: string };", "type E =\n  | { type: 'A'; a: string }\n  | { type: 'B' };"],
    ["type E =\n  | { type: 'A' }\n  | { type: ';' };", "type E =\n  | { type: 'A' }\n  | { type: ';' }\n  | { type: 'B' };"],
  ])('of %p takes another member', (source, changed) => {
    expect(withUnionMember(source, 'E', "{ type: 'B' }")).toBe(changed);
  });
});

describe('a switch', () => {
  it('takes another case in front of its default', () => {
    expect(withCase("switch (a) {\n  case 'a':\n    return;\n  default:\n    return;\n}", "  case 'b':\n")).toBe(
      "switch (a) {\n  case 'a':\n    return;\n  case 'b':\n  default:\n    return;\n}",
    );
  });
});
