import { describe, expect, it } from '@jest/globals';
import { wholeRequest } from '../../../../src/modules/audit/read-model/whole-request.ts';

describe('wholeRequest', () => {
  it('puts personal fields back beside the others', () => {
    expect(wholeRequest({ userId: '1', password: '[redacted]' }, { name: 'Ada', email: 'ada@example.org' })).toEqual({
      userId: '1',
      password: '[redacted]',
      name: 'Ada',
      email: 'ada@example.org',
    });
  });

  it('puts them back into messages inside messages', () => {
    const request = { profile: { address: { country: 'NO' }, theme: 'dark' } };
    const personal = { profile: { address: { street: 'Karl Johans gate' } } };
    expect(wholeRequest(request, personal)).toEqual({
      profile: { address: { country: 'NO', street: 'Karl Johans gate' }, theme: 'dark' },
    });
  });

  it('joins the messages of a list by their place, also where one list ends before the other', () => {
    const request = { people: [{ id: 1 }, { id: 2 }, { id: 3 }] };
    const personal = { people: [{ name: 'Ada' }, {}], phones: ['1', '2'] };
    expect(wholeRequest(request, personal)).toEqual({
      people: [{ id: 1, name: 'Ada' }, { id: 2 }, { id: 3 }],
      phones: ['1', '2'],
    });
    expect(wholeRequest({ people: [] }, { people: [{ name: 'Ada' }] })).toEqual({ people: [{ name: 'Ada' }] });
  });

  it('keeps what is false, zero or empty', () => {
    expect(wholeRequest({ a: false, b: 0, c: '' }, { d: false, e: 0, f: '' })).toEqual({
      a: false,
      b: 0,
      c: '',
      d: false,
      e: 0,
      f: '',
    });
  });

  it('takes names that mean something to JavaScript for names', () => {
    const request = JSON.parse('{"labels": {"__proto__": {"a": 1}, "constructor": "x"}}');
    const personal = JSON.parse('{"labels": {"__proto__": {"b": 2}, "toString": "y"}}');
    expect(JSON.stringify(wholeRequest(request, personal))).toBe(
      '{"labels":{"__proto__":{"a":1,"b":2},"constructor":"x","toString":"y"}}',
    );
  });
});
