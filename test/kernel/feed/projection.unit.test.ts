import { describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserDeletedSchema } from '#gen/users/v1/events_pb.js';
import { type ProjectionDefinition, projection, projectionDigest, projectionParts } from '../../../src/kernel/feed/projection.ts';

const TABLES = { people: 'read.people', days: 'read.days' };
const definition: ProjectionDefinition<typeof TABLES> = {
  name: 'head_count',
  events: [UserCreatedSchema, UserDeletedSchema],
  tables: TABLES,
  statements: ({ people, days }) => ({
    changes: 'select aggregate_id, count(*) as number from events group by aggregate_id',
    people: `insert into ${people} select * from changes returning id`,
    days: `insert into ${days} select * from changes`,
    last: `delete from ${days}`,
  }),
};

describe('the parts of a projection', () => {
  it('see the events of its types, and the parts before them that return rows', () => {
    const events = `events as (select * from events where type in ('users.v1.UserCreated', 'users.v1.UserDeleted'))`;
    const changes = 'changes as (select * from head_count__changes)';
    const people = 'people as (select * from head_count__people)';
    expect(projectionParts(projection(definition))).toEqual([
      {
        name: 'head_count__changes',
        text: `with ${events} select aggregate_id, count(*) as number from events group by aggregate_id`,
      },
      {
        name: 'head_count__people',
        text: `with ${events}, ${changes} insert into read.people select * from changes returning id`,
      },
      { name: 'head_count__days', text: `with ${events}, ${changes}, ${people} insert into read.days select * from changes` },
      { name: 'head_count__last', text: `with ${events}, ${changes}, ${people} delete from read.days` },
    ]);
  });

  it('can be made for other tables', () => {
    const tables = { people: 'rebuild.people', days: 'rebuild.days' };
    const texts = projectionParts(projection(definition), tables).map(({ text }) => text);
    expect(texts.join()).toContain('insert into rebuild.people');
    expect(texts.join()).not.toContain('read.');
  });
});

describe('projection', () => {
  it.each<[string, Partial<typeof definition>, string]>([
    ['a name in another case', { name: 'headCount' }, 'snake_case'],
    ['a name that PostgreSQL would cut off', { name: 'a'.repeat(31) }, 'at most 30 characters'],
    ['a name that could be that of a part of another', { name: 'head__count' }, 'snake_case'],
    ['no events', { events: [] }, 'it takes no events'],
    ['no statement', { statements: () => ({}) }, 'it has no statement'],
    ['half a partition', { partitions: 0.5 }, 'a whole number from 1 on'],
    ['a table without its schema', { tables: { ...TABLES, days: 'days' } }, 'the table days has to be named with its schema'],
    ['a part called events', { statements: () => ({ events: 'select' }) }, 'no part can be called events'],
    ['a statement that begins with WITH', { statements: () => ({ one: ' with x as (select) select' }) }, 'parts of their own'],
    ['a parameter', { statements: () => ({ one: 'select $1' }) }, 'one has a parameter'],
    ['a semicolon', { statements: () => ({ one: 'select; ' }) }, 'one ends with a semicolon'],
  ])('refuses %s', (_, change, problem) => {
    expect(() => projection({ ...definition, ...change })).toThrow(problem);
  });
});

describe('the digest of a projection', () => {
  const digest = (change: Partial<typeof definition>): string => projectionDigest(projection({ ...definition, ...change }));

  it('tells another statement and other events, and not other white space', () => {
    const own = digest({});
    expect(digest({ statements: (tables) => ({ ...definition.statements(tables), last: 'select 1' }) })).not.toBe(own);
    expect(digest({ events: [UserCreatedSchema] })).not.toBe(own);
    const spaced = (tables: typeof TABLES) =>
      Object.fromEntries(
        Object.entries(definition.statements(tables)).map(([part, text]) => [part, text.replaceAll(' ', '\n  ')]),
      );
    expect(digest({ statements: spaced })).toBe(own);
  });
});
