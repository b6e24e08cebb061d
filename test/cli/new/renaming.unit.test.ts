import { describe, expect, it } from '@jest/globals';
import { nameOf } from '../../../src/cli/new/name.ts';
import { renaming, TEMPLATE } from '../../../src/cli/new/renaming.ts';

const rename = renaming([
  [TEMPLATE.module, nameOf(['sales'])],
  [TEMPLATE.aggregate, nameOf(['order', 'entry'])],
  [TEMPLATE.aggregates, nameOf(['order', 'entries'])],
]);

describe('what the template calls things', () => {
  it.each([
    ['class JamJar {}', 'class OrderEntry {}'],
    ['jamJars: jamJarRepository(work)', 'orderEntries: orderEntryRepository(work)'],
    ['ListJamJars', 'ListOrderEntries'],
    ['farm_shop.v1.JamJar', 'sales.v1.OrderEntry'],
    ['domain/jam-jar-errors.ts', 'domain/order-entry-errors.ts'],
    ['read.jam_jar_list', 'read.order_entry_list'],
    ['REASON_JAM_JAR_NOT_FOUND', 'REASON_ORDER_ENTRY_NOT_FOUND'],
    ['Jam jars, and a jam jar.', 'Order entries, and an order entry.'],
    ['A jam jar', 'An order entry'],
    ['that jam jar', 'that order entry'],
  ])('%s becomes %s', (text, renamed) => {
    expect(rename(text)).toBe(renamed);
  });

  it('is preceded by the article of its sound', () => {
    const aUser = renaming([[TEMPLATE.aggregate, nameOf(['user'])]]);
    expect(aUser('a jam jar')).toBe('a user');
  });
});
