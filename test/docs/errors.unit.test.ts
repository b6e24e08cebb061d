import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { findErrorReasons, readErrorReasons } from '../../scripts/error-reasons.ts';
import { errorsPage } from '../../src/kernel/contracts/errors-page.ts';
import { namedReasons } from '../../src/kernel/contracts/named-reasons.ts';
import { codeName } from '../../src/kernel/telemetry/code-name.ts';

const reasons = readErrorReasons();
const codes: ReadonlySet<string> = new Set(
  Object.values(Code)
    .filter((code) => typeof code === 'number')
    .map(codeName),
);

const filesBelow = (folder: string, suffix: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(suffix))
    .map((file) => join(folder, file));

describe('docs/errors.md', () => {
  const page = readFileSync('docs/errors.md', 'utf8');
  const listed = page
    .split(/^## /m)
    .slice(1)
    .flatMap((section) => {
      const [domain] = section.split('\n');
      return [...section.matchAll(/^\| ([A-Z_]+) +\| ([A-Z_]+) /gm)].map(([, reason, code]) => `${domain} ${reason} ${code}`);
    });

  it('lists every reason of the code, and no other, each with its code', () => {
    expect(listed).toEqual(reasons.map(({ domain, reason, code }) => `${domain} ${reason} ${code}`));
  });

  it('lists whatever the source calls a reason', () => {
    const sources = filesBelow('src', '.ts').map((file) => readFileSync(file, 'utf8'));
    const written = sources.flatMap((source) =>
      [...source.matchAll(/\breason\b\W{1,4}'([A-Z_]+)'/g)].map(([, reason]) => reason),
    );
    expect(written.length).toBeGreaterThan(20);
    for (const reason of written) expect(page).toContain(`\n| ${reason} `);
  });
});

describe('the contracts', () => {
  /** Words in capitals that comments use and that are neither reasons nor codes: variables of the environment. */
  const others = new Set(['RATE_LIMITS']);

  for (const file of filesBelow('proto', '.proto')) {
    const proto = readFileSync(file, 'utf8');
    const domain = /^package (\S+);/m.exec(proto)?.[1];
    const known = reasons.filter((reason) => reason.domain === domain || reason.domain === 'cqrs.v1' || domain === 'cqrs.v1');

    it(`${file} names reasons that exist, with the codes that they have`, () => {
      const values = new Set(proto.match(/^ +([A-Z][A-Z0-9_]+) = \d+;/gm)?.map((line) => line.trim().split(' ')[0]));
      const named = namedReasons(proto, codes).filter(({ reason }) => !others.has(reason) && !values.has(reason));
      const wrong = named.filter(
        ({ reason, code }) => !known.some((one) => one.reason === reason && (code ?? one.code) === one.code),
      );
      expect(wrong).toEqual([]);
    });

    it(`${file} gives every reason of its lists a code`, () => {
      const lists = [...proto.matchAll(/^ *\/\/ Reasons: (?:.*\n *\/\/ )*.*/gm)].map(([list]) => `${list}\n`);
      const bare = lists.flatMap((list) => namedReasons(list, codes)).filter(({ code }) => code === undefined);
      expect(bare).toEqual([]);
    });

    it(`${file} counts guesses by reasons that exist`, () => {
      const counted = [...proto.matchAll(/\breasons: \[?((?:\s*"[A-Z_]+",?)+)/g)].flatMap(
        ([, list]) => list?.match(/[A-Z_]+/g) ?? [],
      );
      for (const reason of counted) expect(known.map((one) => one.reason)).toContain(reason);
    });
  }

  it('are read list by list: a code counts for the reasons before it', () => {
    const proto =
      '  // Does it.\n  // Reasons: ONE_THING, CONFLICT and OTHER_THING\n  // (ABORTED; after NFKC), LAST_THING. See AIP-158.\n  rpc Do();\n';
    expect(namedReasons(proto, codes)).toEqual([
      { reason: 'ONE_THING', code: 'ABORTED' },
      { reason: 'CONFLICT', code: 'ABORTED' },
      { reason: 'OTHER_THING', code: 'ABORTED' },
      { reason: 'LAST_THING', code: undefined },
    ]);
  });
});

describe('findErrorReasons', () => {
  const root = 'export abstract class DomainError extends Error { abstract readonly reason: string; readonly metadata = {}; }';
  const bus = "abstract class BusError extends DomainError { override readonly domain = 'cqrs.v1'; }";
  const find = (source: string, file = 'src/modules/shop/errors.ts') =>
    findErrorReasons(
      new Map([
        ['src/kernel/bus/errors.ts', `${root}\n${bus}`],
        [file, source],
      ]),
    );

  it('takes the meaning from the docstring, and what a class inherits from those above it', () => {
    const found = find(`
      abstract class Refused extends DomainError { readonly kind = 'invalid'; readonly violations: FieldViolation[]; }
      /**
       * It costs too much:
       * ask for less.
       */
      export class TooDear extends Refused {
        readonly reason = 'TOO_DEAR';
        constructor(price: number) { super(); this.metadata = { price, ...(price > 9 && { 'at-most': 9 }) }; }
      }`);
    expect(found).toEqual([
      {
        domain: 'shop.v1',
        reason: 'TOO_DEAR',
        code: 'INVALID_ARGUMENT',
        meaning: 'It costs too much: ask for less.',
        metadata: ['price', 'at-most'],
        details: ['BadRequest'],
      },
    ]);
  });

  it('names the details that go with a kind, a resource and a delay', () => {
    const found = find(`
      /** Closed. */
      class Closed extends BusError {
        readonly reason = 'CLOSED'; readonly kind = 'precondition'; readonly resource = { type: 'a', name: 'b' }; readonly retryAfterMs = 5;
      }`);
    expect(found[0]).toMatchObject({ domain: 'cqrs.v1', details: ['PreconditionFailure', 'ResourceInfo', 'RetryInfo'] });
  });

  it.each([
    [
      'a reason that is made',
      "/** A. */ class A extends BusError { readonly reason = `A`; readonly kind = 'invalid'; }",
      'A has no `reason`',
    ],
    ['no reason', "/** A. */ class A extends BusError { readonly kind = 'invalid'; }", 'A has no `reason`'],
    ['no kind', "/** A. */ class A extends BusError { readonly reason = 'A'; }", 'A has no `kind`'],
    [
      'an unknown kind',
      "/** A. */ class A extends BusError { readonly reason = 'A'; readonly kind = 'odd'; }",
      'unknown kind odd',
    ],
    ['no docstring', "class A extends BusError { readonly reason = 'A'; readonly kind = 'invalid'; }", 'A has no docstring'],
    ['a class of another line', "class A extends Error { readonly reason = 'A_B'; }", 'reason A_B is not that of a class'],
    ['an object', "const info = { reason: 'A_B' };", 'reason A_B is not that of a class'],
    ['a choice', "const info = { reason: odd ? 'A_B' : undefined };", 'reason A_B is not that of a class'],
    ['an assignment', "info.reason = 'A_B';", 'reason A_B is not that of a class'],
  ])('does not pass over %s', (_, source, message) => {
    expect(() => find(source)).toThrow(message);
  });

  it('does not guess the domain of what is in no module', () => {
    const source = "/** A. */ class A extends DomainError { readonly reason = 'A'; readonly kind = 'invalid'; }";
    expect(() => find(source, 'src/kernel/auth/errors.ts')).toThrow('A has no `domain`');
  });
});

describe('errorsPage', () => {
  it('has one table a domain', () => {
    const one = { reason: 'A', code: 'ABORTED', meaning: 'a | b', metadata: ['key'], details: [] };
    const page = errorsPage([
      { ...one, domain: 'a.v1' },
      { ...one, domain: 'b.v1' },
    ]);
    expect(page.match(/^## .*/gm)).toEqual(['## a.v1', '## b.v1']);
    expect(page).toContain('| A      | ABORTED | `key`    |               | a \\| b |');
  });
});
