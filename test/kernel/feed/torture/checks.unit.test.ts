import { describe, expect, it } from '@jest/globals';
import { problemsOf, type SeenEvent } from './checks.ts';

const event = (id: string, version: number, cause?: string): SeenEvent => ({ id, aggregateId: 'one', version, cause });
const first = event('first', 1);
const second = event('second', 2, 'first');
const other = { ...event('other', 1, 'second'), aggregateId: 'other' };

describe('the checks of the torture', () => {
  it('find nothing in what came as it was written', () => {
    expect(problemsOf([first, second, other], [first, second, other])).toEqual([]);
  });

  it.each([
    ['an event that did not come', [first, second], ['other did not come']],
    ['an event that came twice', [first, second, other, other], ['other came twice', expect.anything()]],
    ['an event that was rolled back', [first, second, other, event('gone', 3)], ['gone was not committed']],
    ['a wrong order of one aggregate', [second, first, other], expect.arrayContaining([expect.stringContaining('version 2')])],
    ['an event before its cause', [first, other, second], ['other came before second, which it was written after']],
  ])('find %s', (_, given, problems) => {
    expect(problemsOf(given, [first, second, other])).toEqual(problems);
  });
});
