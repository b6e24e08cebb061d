import { expect, it } from '@jest/globals';
import { mediaType } from '../../../src/kernel/doors/media-type.ts';

it.each([
  'application/json',
  'Application/JSON',
  ' application/json ',
  'application/json;charset=utf-8',
  'application/json; charset=UTF8',
  'application/json; charset="utf-8"',
  'application/json ; charset=utf-8',
  'application/json; charset=us-ascii',
  'application/json; odata.metadata=none; q="a;b=\\"c"',
  'application/json;',
])('reads %j', (contentType) => {
  expect(mediaType(contentType)).toBe('application/json');
});

it.each(['', 'json', 'application/', '/json', 'application/json; charset=latin1', 'application/js on'])(
  'refuses %j',
  (contentType) => {
    expect(mediaType(contentType)).toBe('');
  },
);
