import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { contractServices } from '../../src/kernel/contracts/descriptors.ts';
import { errorReasons } from '../../src/kernel/contracts/errors.ts';
import { errorsPage } from '../../src/kernel/contracts/errors-page.ts';
import { namedReasons } from '../../src/kernel/contracts/named-reasons.ts';
import { reasonProblems } from '../../src/kernel/contracts/reasons.ts';
import { codeName } from '../../src/kernel/telemetry/code-name.ts';

const reasons = errorReasons();
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

  it('lists every reason of the contracts, and no other, each with its code', () => {
    expect(listed).toEqual(reasons.map(({ domain, reason, code }) => `${domain} ${reason} ${code}`));
  });
});

describe('the contracts', () => {
  /** Words in capitals that comments use and that are neither reasons nor codes: variables of the environment. */
  const others = new Set(['ALLOWED_HOSTS', 'RATE_LIMITS', 'REQUEST_SECONDS']);

  for (const file of filesBelow('proto', '.proto')) {
    // A word in backticks is a value of a field.
    const proto = readFileSync(file, 'utf8').replaceAll(/`[^`\n]*`/g, '');
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

describe('reasonProblems', () => {
  const commands = contractServices().filter(({ typeName }) => typeName === 'users.v1.CommandService');

  it('finds none in the contracts', () => {
    expect(reasonProblems(contractServices(), reasons)).toEqual([]);
  });

  it('names the rpcs that list or count a reason that is missing', () => {
    const problems = reasonProblems(commands, without('CREDENTIALS_INVALID'));
    expect(problems).toEqual([
      'users.v1.CommandService/LogIn: its comment lists the reason CREDENTIALS_INVALID, which is missing in enum Reason of users.v1 and of cqrs.v1',
      'users.v1.CommandService/LogIn: its guess limit names CREDENTIALS_INVALID, which is missing in enum Reason of users.v1 and of cqrs.v1',
    ]);
  });

  it('names the rpcs that list a reason with another code', () => {
    const changed = reasons.map((one) => (one.reason === 'SESSION_UNKNOWN' ? { ...one, code: 'NOT_FOUND' } : one));
    expect(reasonProblems(commands, changed)).toEqual([
      'users.v1.CommandService/LogOut: its comment lists the reason SESSION_UNKNOWN with FAILED_PRECONDITION; the code is NOT_FOUND',
    ]);
  });

  it('names a reason without a comment', () => {
    const silent = reasons.map((one) => (one.reason === 'EMAIL_TAKEN' ? { ...one, meaning: '' } : one));
    expect(reasonProblems(commands, silent)).toEqual([
      'users.v1.Reason: REASON_EMAIL_TAKEN has no comment that tells callers what to do',
    ]);
  });

  const without = (reason: string) => reasons.filter((one) => one.reason !== reason);
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
