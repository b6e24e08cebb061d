import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { EVERY, MONTHS_AHEAD } from '../../src/kernel/command-log/months-ahead.ts';
import { MOST_OF_ALL, MOST_OF_ONE, PERIOD } from '../../src/kernel/command-log/refusal-tally.ts';
import { MAX_BATCH_SIZE } from '../../src/kernel/command-log/seals/batch.ts';

/** As one line, so that a number and its noun may stand on two. */
const page = (name: string): string => readFileSync(`docs/${name}`, 'utf8').replaceAll(/\s+/g, ' ');
const number = (value: number): string => value.toLocaleString('en');

it.each([
  ['audit.md', `more than ${number(MOST_OF_ONE)} a minute from one network, or ${number(MOST_OF_ALL)} a minute from all`],
  ['audit.md', `A batch of seals covers ${number(MAX_BATCH_SIZE)} records at most`],
  ['adr/0008-the-log-of-commands-is-sealed-in-cuts.md', `At most ${number(MAX_BATCH_SIZE)} records make a batch`],
])('docs/%s says: %s', (name, text) => {
  expect(page(name)).toContain(text);
});

it('a minute, two years and four times a day are what the pages mean', () => {
  expect(PERIOD).toBe(60_000);
  expect(MONTHS_AHEAD).toBe(2 * 12);
  expect(EVERY).toBe((24 * 3_600_000) / 4);
  expect(page('database.md')).toContain('creates them two years ahead (at its start and four times a day)');
});
