import type { EntityMetadata } from '@mikro-orm/core';
import type pg from 'pg';
import { SUCCESS_INPUTS } from '../../command-log/store-records.ts';
import { type Projection, projectionParts } from '../../feed/projection.ts';
import { isConnectionLost, sqlState } from '../sql-errors.ts';
import { AggregateSql, EVENT_INPUTS, type SideEffects, type Statement } from './aggregate-sql.ts';
import { columnsOf } from './aggregate-tree.ts';
import type { AggregateType } from './aggregate-type.ts';
import { CLAIM_INPUTS } from './idempotency-keys.ts';

/** An aggregate that the unit of work keeps, with its mapping. */
export interface KeptAggregate {
  readonly type: AggregateType<object>;
  readonly root: EntityMetadata;
  /** Of the other tables that it is kept in. */
  readonly parts: readonly EntityMetadata[];
  /** The name of the module that it is part of, where that is known. */
  readonly module: string | undefined;
}

/** An async projection, and the name of the module that lists it. */
export interface KeptProjection {
  readonly projection: Projection;
  readonly module: string;
}

/** The tables of the database are not those that aggregates and projections are kept in; the message lists everything that is wrong. */
export class StatementsRefused extends Error {
  constructor(problems: readonly string[]) {
    super(
      `The database cannot keep the aggregates and projections of the service:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
    this.name = 'StatementsRefused';
  }
}

/** A statement that will be sent, and what to say of it when PostgreSQL refuses it. */
interface Probe extends Pick<Statement, 'text'> {
  readonly parameters: number;
  readonly of: string;
  readonly isProjection: boolean;
}

/**
 * Has PostgreSQL plan every statement by which aggregates and projections are kept, and run none of them: a migration
 * that was forgotten, a right that was not granted, a column that is misspelt would otherwise fail every command that needs it. The pool's
 * connections have to be pipelined, so that all are sent at once. Throws StatementsRefused.
 */
export async function checkStatements(
  pool: Pick<pg.Pool, 'connect'>,
  kept: readonly KeptAggregate[],
  projections: readonly KeptProjection[] = [],
): Promise<void> {
  const client = await pool.connect();
  const look = (probes: readonly Probe[]) => Promise.all(probes.map((probe) => problemOf(client, probe)));
  try {
    const found = await Promise.all([
      look(projections.map(asyncProbe)),
      ...kept.map(async (aggregate) => {
        const [ofAggregate, ofProjections] = await Promise.all([
          look(aggregateProbes(aggregate)),
          look(projectionProbes(aggregate)),
        ]);
        // What is wrong with the row itself is said of each projection again.
        return ofAggregate.some((problem) => problem !== undefined) ? ofAggregate : ofProjections;
      }),
    ]);
    const problems = new Set(found.flat().filter((problem) => problem !== undefined));
    if (problems.size > 0) throw new StatementsRefused([...problems]);
  } finally {
    // What it has prepared ends with it.
    client.release(true);
  }
}

let prepared = 0;

/** Parsing a statement looks at names and types; planning it looks at rights besides. */
async function problemOf(client: pg.PoolClient, { text, parameters, of, isProjection }: Probe): Promise<string | undefined> {
  prepared += 1;
  const name = `probe_${prepared}`;
  const values = parameters === 0 ? '' : `(${Array(parameters).fill('null').join(', ')})`;
  try {
    await client.query(`prepare ${name} as ${text}; explain execute ${name}${values}`);
    return undefined;
  } catch (error) {
    const state = sqlState(error);
    if (state === undefined || isConnectionLost(error)) throw error;
    return `${of}: ${(error as Error).message}. ${remedyOf(state, isProjection)}`;
  }
}

function remedyOf(state: string, isProjection: boolean): string {
  const source = isProjection ? 'the statement of the projection' : 'the mapping of the aggregate';
  switch (state) {
    case '3F000':
    case '42P01':
      return `Add a migration that makes it to the module, or mend ${source}.`;
    case '42703':
      return `Add a migration with the column to the module, or mend ${source}.`;
    case '42501':
      return 'Add a migration to the module that grants it to bicameral_writer.';
    default:
      return `Mend ${source}.`;
  }
}

const nameOf = ({ type, module }: KeptAggregate): string =>
  module === undefined ? `aggregate ${type.name}` : `module ${module}, aggregate ${type.name}`;

function aggregateProbes(aggregate: KeptAggregate): Probe[] {
  const { type, root, parts } = aggregate;
  const told = { of: nameOf(aggregate), isProjection: false };
  const sql = new AggregateSql({ ...type, projections: [] }, root);
  return [...rootProbes(sql, told), ...parts.flatMap((part) => partProbes(part, told))];
}

/** One by one, so that it is known which is wrong. */
function projectionProbes(aggregate: KeptAggregate): Probe[] {
  const { type, root } = aggregate;
  return type.projections.flatMap((projection) => {
    const told = { of: `${nameOf(aggregate)}, projection ${projection.name}`, isProjection: true };
    const sql = new AggregateSql({ ...type, projections: [projection] }, root);
    const [, insert] = rootProbes(sql, told);
    return insert ? [insert] : [];
  });
}

/** With no events: what they come from is the kernel's. */
function asyncProbe({ projection, module }: KeptProjection): Probe {
  const parts = projectionParts(projection).map(({ name, text }) => `${name} as (${text})`);
  const of = `module ${module}, projection ${projection.name} (${fileOf(module, projection)})`;
  return { of, isProjection: true, parameters: 0, text: `with ${[NO_EVENTS, ...parts].join(',\n')}\nselect` };
}

const NO_EVENTS = `events as (
  select position, id, type, null::jsonb as data, aggregate_type, aggregate_id, aggregate_version, command_id, occurred_at
  from cqrs.event where false)`;

/** Where it is by convention. */
const fileOf = (module: string, { name }: Projection): string =>
  `src/modules/${module}/projections/${name.replaceAll('_', '-')}.ts`;

type Told = Pick<Probe, 'of' | 'isProjection'>;

function rootProbes(sql: AggregateSql, told: Told): Probe[] {
  const properties = Object.fromEntries(sql.properties.map((name) => [name, null]));
  const beside = {
    events: Object.keys(EVENT_INPUTS),
    data: sql.dataOf([]),
    texts: sql.projectionsWithTexts.map(() => []),
    record: Object.keys(SUCCESS_INPUTS),
    claim: Object.keys(CLAIM_INPUTS),
  } as unknown as SideEffects;
  return [
    { text: sql.selectForUpdate, values: [null] },
    sql.insert(properties, beside),
    sql.update({ writes: 0, properties }, beside),
  ].map(({ text, values }) => ({ ...told, text, parameters: values.length }));
}

function partProbes(part: EntityMetadata, told: Told): Probe[] {
  const table = `${part.schema}."${part.tableName.split('.').at(-1)}"`;
  const columns = columnsOf(part).map((column) => `"${column}"`);
  const parameters = columns.map((_, index) => `$${index + 1}`);
  const set = columns.map((column, index) => `${column} = ${parameters[index]}`).join(', ');
  const all = columns.join(', ');
  return [
    { text: `select ${all} from ${table}`, parameters: 0 },
    { text: `insert into ${table} (${all}) values (${parameters.join(', ')})`, parameters: columns.length },
    // Rows that join two tables are not changed.
    ...(part.pivotTable ? [] : [{ text: `update ${table} set ${set}`, parameters: columns.length }]),
    { text: `delete from ${table}`, parameters: 0 },
  ].map((probe) => ({ ...told, ...probe }));
}
