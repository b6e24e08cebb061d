import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RefusalQueue } from '../../../src/kernel/doors/refusal-queue.ts';
import { eventually } from '../../support/eventually.ts';

/** Refusals in one turn of the event loop. */
const PER_TURN = 32;

let sent: string[];
let queue: RefusalQueue<string>;
let connections: Map<string, object>;
beforeEach(() => {
  sent = [];
  queue = new RefusalQueue((call) => sent.push(call));
  connections = new Map();
});
afterEach(async () => {
  await eventually(() => expect(sent).toHaveLength(added));
  added = 0;
});

let added = 0;
/** Calls that come together on a connection, called `a1`, `a2`, … */
function add(name: string, count = 1): void {
  const connection = connections.get(name) ?? {};
  connections.set(name, connection);
  for (let call = 1; call <= count; call += 1) queue.add(`${name}${call}`, connection);
  added += count;
}

const allSent = () => eventually(() => expect(sent).toHaveLength(added));
const countOf = (name: string, calls: readonly string[]): number => calls.filter((call) => call.startsWith(name)).length;

describe('the queue of refusals', () => {
  it('refuses a few at once', () => {
    add('a', 3);
    add('b');
    expect(sent).toEqual(['a1', 'a2', 'a3', 'b1']);
  });

  it('refuses each call once, in the order of its connection', async () => {
    add('a', 300);
    await allSent();
    expect(sent).toEqual(Array.from({ length: 300 }, (_, index) => `a${index + 1}`));
  });

  it('sends no more than a number in one turn of the event loop', () => {
    add('a', 300);
    add('b', 300);
    expect(sent).toHaveLength(PER_TURN);
  });

  it('puts a connection that is refused now and then in front of those that are refused all the time', async () => {
    for (const flood of ['a', 'b', 'c']) add(flood, 500);
    // They have used up what is saved up for each.
    await eventually(() => expect(sent.length).toBeGreaterThan(400));
    const before = sent.length;
    add('x');
    await eventually(() => expect(sent).toContain('x1'));
    expect(sent.indexOf('x1') - before).toBeLessThanOrEqual(1);
  });

  it('has connections take turns that are refused all the time', async () => {
    for (const flood of ['a', 'b']) add(flood, 500);
    await eventually(() => expect(sent.length).toBeGreaterThan(400));
    const late = sent.slice(200, 400);
    expect(Math.abs(countOf('a', late) - countOf('b', late))).toBeLessThanOrEqual(2);
  });
});
