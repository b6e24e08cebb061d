import { describe, expect, it } from '@jest/globals';
import { DatabaseError } from 'pg';
import { errorForm } from '../../../src/kernel/telemetry/error-form.ts';

const SECRET = 'Seven Grün lamps "hum"';

/** As PostgreSQL says it, with values where it puts them. */
function refused(code: string, message: string): Error {
  return Object.assign(new DatabaseError(message, 100, 'error'), {
    severity: 'ERROR',
    code,
    detail: `Key (email)=(${SECRET}) already exists.`,
    where: `unnamed portal parameter $1 = '${SECRET}'`,
    internalQuery: `select '${SECRET}'`,
    parameters: [SECRET],
  });
}

describe('an error in the log', () => {
  it('is its type, message, code and stack with those of its causes', () => {
    const cause = refused('57014', 'canceling statement due to user request');
    const form = errorForm(new Error('the read model is broken', { cause: new TypeError('no row', { cause }) }));
    expect(form).toEqual({
      type: 'Error',
      message: 'the read model is broken: no row: canceling statement due to user request',
      stack: expect.stringMatching(
        /read model is broken\n +at [\s\S]*caused by: TypeError: no row\n +at [\s\S]*caused by: .*canceling/,
      ),
    });
    expect(errorForm(cause)).toMatchObject({ code: '57014' });
  });

  it('has nothing else that it carries', () => {
    expect(JSON.stringify(errorForm(new Error('failed', { cause: refused('23505', 'duplicate key value') })))).not.toMatch(
      /lamps/,
    );
    const carried = Object.assign(new Error('failed'), { request: { password: SECRET }, response: SECRET });
    expect(Object.keys(errorForm(carried)).sort()).toEqual(['message', 'stack', 'type']);
  });

  it('does not repeat the value that PostgreSQL refused', () => {
    const form = errorForm(new Error('outer', { cause: refused('22P02', `invalid input syntax for type uuid: "${SECRET}"`) }));
    expect(form.message).toBe('outer: invalid input syntax for type uuid: "[hidden]"');
    expect(form.stack).not.toMatch(/lamps/);
    // Names of tables and columns stay.
    expect(errorForm(refused('42703', 'column "emial" does not exist')).message).toContain('"emial"');
  });

  it('has none of the texts that are hidden, in whatever form', () => {
    const texts = [SECRET, SECRET.normalize('NFD'), SECRET.toLowerCase(), JSON.stringify(SECRET), encodeURIComponent(SECRET)];
    const error = new Error(`refused: ${texts.join(' | ')}`, { cause: new SyntaxError(`unexpected ${SECRET}`) });
    const form = JSON.stringify(errorForm(error, [SECRET, SECRET.normalize('NFD'), 'ab']));
    expect(form).not.toMatch(/lamps/i);
    expect(form).toContain('[hidden]');
  });

  it('is made of anything that can be thrown, and of a chain that ends in itself', () => {
    expect(errorForm('a text')).toEqual({ type: 'string', message: 'a text', stack: '' });
    expect(errorForm(undefined).message).toBe('undefined');
    const loop = new Error('loop');
    loop.cause = loop;
    expect(errorForm(loop).message).toBe('loop');
    const several = new AggregateError([new Error('one'), new Error('two')], 'several');
    expect(errorForm(several).message).toBe('several: one');
  });
});
