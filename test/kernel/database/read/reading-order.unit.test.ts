import { describe, expect, it } from '@jest/globals';
import { readingOrder } from '../../../../src/kernel/database/read/reading-order.ts';

const REPLICAS = ['replica-1', 'replica-2', 'replica-3'].map((name) => ({ name }));

/** The order of an instance for which chance has drawn these numbers, one for each replica. */
function orderOf(ages: Readonly<Record<string, number>>, ...drawn: readonly number[]): readonly string[] {
  const draws = drawn.values();
  const monitor = { isHealthy: (name: string) => name in ages, staleness: (name: string) => ages[name] ?? Number.NaN };
  const order = readingOrder(REPLICAS, monitor, () => draws.next().value ?? 0);
  return order().map(({ name }) => name);
}

describe('the order in which an instance reads its replicas', () => {
  it('is another one for each instance, where all are equally fresh', () => {
    const ages = { 'replica-1': 3, 'replica-2': 503, 'replica-3': 900 };
    expect(orderOf(ages, 0.1, 0.2, 0.3)).toEqual(['replica-1', 'replica-2', 'replica-3']);
    expect(orderOf(ages, 0.3, 0.2, 0.1)).toEqual(['replica-3', 'replica-2', 'replica-1']);
  });

  it('has those that are further behind last, the freshest of them first', () => {
    const ages = { 'replica-1': 4_000, 'replica-2': 2_000, 'replica-3': 100 };
    expect(orderOf(ages, 0.1, 0.2, 0.3)).toEqual(['replica-3', 'replica-2', 'replica-1']);
  });

  it('counts from the freshest while the primary is away, when all become older', () => {
    const ages = { 'replica-1': 60_900, 'replica-2': 60_000, 'replica-3': 69_000 };
    expect(orderOf(ages, 0.1, 0.2, 0)).toEqual(['replica-1', 'replica-2', 'replica-3']);
  });

  it('leaves out what is not healthy, and needs to know nothing of the others', () => {
    const unknown = Number.POSITIVE_INFINITY;
    expect(orderOf({ 'replica-1': unknown, 'replica-3': unknown }, 0.2, 0, 0.1)).toEqual(['replica-3', 'replica-1']);
    expect(orderOf({ 'replica-2': unknown })).toEqual(['replica-2']);
    expect(orderOf({})).toEqual([]);
  });

  it('is drawn once, and stays while the ages change', () => {
    let age = 0;
    const monitor = { isHealthy: () => true, staleness: (name: string) => (name === 'replica-1' ? 500 - age : age) };
    const order = readingOrder(REPLICAS, monitor);
    const first = order().map(({ name }) => name);
    for (age = 0; age <= 500; age += 100) expect(order().map(({ name }) => name)).toEqual(first);
  });
});
