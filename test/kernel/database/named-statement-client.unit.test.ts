import { describe, expect, it } from '@jest/globals';
import { statementName } from '../../../src/kernel/database/named-statement-client.ts';

describe('statementName', () => {
  it('says what the statement does, to which table', () => {
    expect(statementName('select id from "users"."user" where id = $1')).toMatch(/^select users\.user [0-9a-f]{12}$/);
    expect(statementName('insert into cqrs.event (id) values ($1)')).toMatch(/^insert cqrs\.event /);
  });

  it('is the same for the same text and another for another', () => {
    expect(statementName('select $1')).toBe(statementName('select $1'));
    expect(statementName('select $1')).not.toBe(statementName('select $1 '));
  });

  it('fits what PostgreSQL keeps of a name', () => {
    expect(statementName(`update ${'x'.repeat(80)} set a = $1`)?.length).toBeLessThan(64);
  });
});
