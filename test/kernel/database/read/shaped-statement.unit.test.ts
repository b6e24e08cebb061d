import { describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { readStatements, shapedStatement } from '../../../../src/kernel/database/read/read-statements.ts';

const statements = readStatements<{ book: { id: number; title: string; shelf: string } }>();

interface Shape {
  readonly onShelf: boolean;
  readonly order: 'id' | 'title';
}

let written = 0;
const page = shapedStatement<Shape, { shelf: string | undefined; limit: number; ids: readonly number[] }, { id: number }>(
  ({ onShelf, order }, value) => {
    written += 1;
    const rows = statements
      .selectFrom('book')
      .select('id')
      .where('id', '=', (any) => any.fn.any(any.val(value('ids'))))
      .where('title', '<>', 'a constant')
      .orderBy(order)
      .limit(value('limit'));
    return onShelf ? rows.where('shelf', '=', value('shelf')).where(sql<boolean>`lower(shelf) = ${value('shelf')}`) : rows;
  },
);

describe('a statement of several shapes', () => {
  it('has the values of each call where they are named', () => {
    const bound = page({ onShelf: true, order: 'id' }, { shelf: 'north', limit: 3, ids: [1, 2] });
    expect(bound.sql).toBe(
      'select "id" from "book" where "id" = any($1) and "title" <> $2 and "shelf" = $3 and lower(shelf) = $4 order by "id" limit $5',
    );
    expect(bound.parameters).toEqual([[1, 2], 'a constant', 'north', 'north', 3]);
  });

  it('is written once for each shape, and the values of one call are not those of another', () => {
    const before = written;
    const one = page({ onShelf: false, order: 'title' }, { shelf: undefined, limit: 1, ids: [1] });
    const other = page({ onShelf: false, order: 'title' }, { shelf: undefined, limit: 2, ids: [] });
    expect([one.parameters, other.parameters]).toEqual([
      [[1], 'a constant', 1],
      [[], 'a constant', 2],
    ]);
    expect(other.sql).toBe(one.sql);
    expect(written).toBe(before + 1);
    expect(page({ onShelf: false, order: 'id' }, { shelf: undefined, limit: 1, ids: [] }).sql).not.toBe(one.sql);
  });
});
