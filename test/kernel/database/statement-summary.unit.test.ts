import { describe, expect, it } from '@jest/globals';
import { statementSummary } from '../../../src/kernel/database/statement-summary.ts';

describe('the summary of a statement', () => {
  it.each([
    ['begin', 'BEGIN'],
    ['commit;', 'COMMIT'],
    ['select * from users."user" where id = $1', 'SELECT users.user'],
    ['select * from users."user" where id = $1 for update', 'SELECT users.user'],
    ['select * from users."user" where id = $1 for no key update', 'SELECT users.user'],
    ['\n  SELECT pg_is_in_recovery()', 'SELECT'],
    ['with known as (select * from cqrs.guess) select * from known', 'SELECT cqrs.guess'],
    ['insert into cqrs.guess as row (target) values ($1) on conflict (target) do update set failures = 1', 'INSERT cqrs.guess'],
    [
      'with a as (insert into users."user" values ($1)), b as (update cqrs.event set x = $2) delete from "plain"',
      'INSERT users.user UPDATE cqrs.event DELETE plain',
    ],
    ['declare cut no scroll cursor for select a from cqrs.command_log', 'DECLARE cqrs.command_log'],
  ])('%j is %j', (text, summary) => {
    expect(statementSummary(text)).toBe(summary);
  });

  it('is bounded', () => {
    const text = Array.from({ length: 100 }, (_, index) => `insert into some.table_${index} values ($1)`).join('; ');
    expect(statementSummary(text).length).toBe(255);
  });
});
