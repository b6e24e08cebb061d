import { describe, expect, it } from '@jest/globals';
import { errorReasons } from '../../../src/kernel/contracts/errors.ts';
import { referencePages } from '../../../src/kernel/contracts/reference.ts';
import { roles } from '../../../src/roles.ts';

const pages = referencePages({ errors: errorReasons(), roles });

/** The part of a page about one rpc or type. */
function section(page: string, title: string): string {
  const [, text = ''] = (pages.get(page) ?? '').split(`\n### ${title}\n`);
  return text.split(/\n##/)[0] ?? '';
}

/** The cells of a row, by its first one. */
function row(text: string, first: string): readonly string[] | undefined {
  const rows = text.split('\n').map((line) => line.split(/ *(?<!\\)\| */).slice(1, -1));
  return rows.find((cells) => cells[0] === first);
}

describe('the reference', () => {
  it('tells who may call an rpc, and how often', () => {
    const createUser = section('users.v1.md', 'CreateUser');
    expect(createUser).toContain('- who may call it: anyone, without a token\n');
    expect(createUser).toMatch(/- limits: at most [\d,]+ calls in \d+ s of class `sign-up`/);
    const changeName = section('users.v1.md', 'ChangeName');
    expect(changeName).toContain('the user whose id is `user_id`; callers with the permission `users.write` (role `admin`)');
    expect(section('audit.v1.md', 'GetCommand')).toContain('permission `audit.read` (role `admin`, `auditor`)');
  });

  it('tells the metadata that means something to an rpc', () => {
    expect(section('users.v1.md', 'ChangeName')).toMatch(/- metadata: .*`idempotency-key`/);
    expect(section('users.v1.md', 'LogIn')).not.toContain('`idempotency-key`');
    expect(section('users.v1.md', 'ChangeName')).toContain('`cqrs-dry-run`');
    expect(section('users.v1.md', 'CreateUser')).not.toContain('`cqrs-dry-run`');
    expect(section('users.v1.md', 'GetUser')).toContain('- metadata: `cqrs-consistency`');
  });

  it('tells the rules of each field in words', () => {
    const request = section('users.v1.md', 'CreateUser');
    expect(row(request, '`email`')?.[2]).toContain('an e-mail address');
    expect(row(request, '`password`')?.[2]).toContain('a secret');
    expect(row(section('users.v1.md', 'ChangeName'), '`user_id`')).toEqual(['`user_id`', '`string`', 'a UUID', '']);
    expect(row(section('users.v1.md', 'ChangeName'), '`expected_version`')?.slice(1, 3)).toEqual([
      '`int64`, optional',
      'at least 0',
    ]);
    expect(section('users.v1.md', 'ListUsers')).toContain('Of the whole message: give page or page_token, not both.');
    expect(row(section('audit.v1.md', 'ListCommands'), '`target`')?.[2]).toBe('a UUID; or empty');
  });

  it('tells the reasons of errors with what they mean, and once those that every rpc has', () => {
    expect(row(section('users.v1.md', 'CreateUser'), 'EMAIL_TAKEN')?.[1]).toBe('ALREADY_EXISTS');
    expect(section('users.v1.md', 'CreateUser')).not.toContain('OVERLOADED');
    expect(pages.get('users.v1.md')).toMatch(/## QueryService\n\n.*\n\nEvery call can also end with .*`OVERLOADED`/);
    expect(section('users.v1.md', 'CreateUser')).not.toContain('Reasons:');
  });

  it('tells the types that rpcs share, once', () => {
    expect(row(section('users.v1.md', 'UserStatus'), '`USER_STATUS_DELETED`')?.[1]).toBe('3');
    expect(pages.get('users.v1.md')?.match(/^### User$/gm)).toHaveLength(1);
    expect(row(section('audit.v1.md', 'CommandRecord'), '`request`')?.[1]).toBe('`google.protobuf.Struct`');
  });

  it('is aligned: in each table all columns but the last begin at the same place', () => {
    for (const page of pages.values()) {
      for (const rows of page
        .split('\n\n')
        .filter((block) => block.startsWith('|'))
        .map((block) => block.trim().split('\n'))) {
        const edges = rows.map((line) =>
          [...line.matchAll(/(?<!\\)\|/g)]
            .map(({ index }) => index)
            .slice(0, -1)
            .join(),
        );
        expect(new Set(edges).size).toBe(1);
      }
    }
  });
});
