import { describe, expect, it } from '@jest/globals';
import { Conflict, DatabaseUnavailable, Overloaded } from '../../../src/kernel/bus/errors.ts';
import { errorCode, translateSqlError } from '../../../src/kernel/database/sql-errors.ts';

const withCode = (code: string): Error => Object.assign(new Error('from pg'), { code });

describe('translateSqlError', () => {
  it.each([
    ['a serialization failure', withCode('40001'), Conflict],
    ['a deadlock', withCode('40P01'), Conflict],
    ['a server that shuts down', withCode('57P01'), DatabaseUnavailable],
    ['a refused connection', withCode('ECONNREFUSED'), DatabaseUnavailable],
    ['a connection that broke', new Error('Connection terminated unexpectedly'), DatabaseUnavailable],
    ['a server that is full', withCode('53300'), Overloaded],
    ['no free connection in time', new Error('timeout exceeded when trying to connect'), Overloaded],
  ])('knows %s', (_, error, type) => {
    expect(translateSqlError(error)).toBeInstanceOf(type);
  });

  it('finds the code of a wrapped error', () => {
    expect(errorCode(new Error('outer', { cause: withCode('40001') }))).toBe('40001');
    expect(translateSqlError(new Error('outer', { cause: withCode('40001') }))).toBeInstanceOf(Conflict);
  });

  it('leaves everything else as it is', () => {
    for (const error of [withCode('42703'), new TypeError('bug'), 'text', undefined])
      expect(translateSqlError(error)).toBe(error);
  });
});
