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
    ['class GardenTool {}', 'class OrderEntry {}'],
    ['gardenTools: gardenToolRepository(work)', 'orderEntries: orderEntryRepository(work)'],
    ['ListGardenTools', 'ListOrderEntries'],
    ['tool_shed.v1.GardenTool', 'sales.v1.OrderEntry'],
    ['domain/garden-tool-errors.ts', 'domain/order-entry-errors.ts'],
    ['read.garden_tool_list', 'read.order_entry_list'],
    ['REASON_GARDEN_TOOL_NOT_FOUND', 'REASON_ORDER_ENTRY_NOT_FOUND'],
    ['Garden tools, and a garden tool.', 'Order entries, and an order entry.'],
    ['A garden tool', 'An order entry'],
    ['that garden tool', 'that order entry'],
  ])('%s becomes %s', (text, renamed) => {
    expect(rename(text)).toBe(renamed);
  });

  it('is preceded by the article of its sound', () => {
    const aUser = renaming([[TEMPLATE.aggregate, nameOf(['user'])]]);
    expect(aUser('a garden tool')).toBe('a user');
  });
});
