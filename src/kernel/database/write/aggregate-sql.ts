import { toJsonString } from '@bufbuild/protobuf';
import type { EntityMetadata } from '@mikro-orm/core';
import { STORE_SUCCESS, SUCCESS_INPUTS } from '../../command-log/store-records.ts';
import { type Projection, projectionParts } from '../../feed/projection.ts';
import { sqlList } from '../sql-list.ts';
import { AggregateTree, hasColumns, isTree } from './aggregate-tree.ts';
import { type AggregateType, type EventMessage, type InlineProjection, statementOf } from './aggregate-type.ts';
import { CLAIM_INPUTS, STORE_CLAIM_BESIDE } from './idempotency-keys.ts';

/** A statement with its parameters. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What the events take as columns of `input`, each with its type; their values are `EventValues`. */
export const EVENT_INPUTS = {
  aggregate_type: 'text',
  aggregate_id: 'uuid',
  aggregate_version: 'integer',
  command_id: 'uuid',
  traceparent: 'text',
  occurred_at: 'timestamptz',
  event_ids: 'uuid[]',
  event_types: 'text[]',
  event_payloads: 'bytea[]',
  event_personal: 'bytea[]',
} as const;

/** In the order of EVENT_INPUTS. */
export type EventValues = readonly [
  aggregateType: string,
  aggregateId: string,
  aggregateVersion: number,
  commandId: string,
  traceparent: string,
  occurredAt: string,
  ids: readonly string[],
  types: readonly string[],
  payloads: readonly Buffer[],
  personal: readonly (Buffer | null)[],
];

/** What projections that read `events` take besides: the events as JSON. */
const EVENT_DATA_INPUTS = { event_data: 'text[]' } as const;

/** Of an update: how often the row had been written when the aggregate was loaded. */
const UPDATE_INPUTS = { writes: 'integer' } as const;

/** Of a row that has been written already: how it was before. */
const BEFORE_INPUTS = { row_before: 'jsonb' } as const;

/** What is stored beside the row: for each part the values of its inputs, in their order. */
export interface SideEffects {
  readonly events: EventValues;
  /** The events as JSON, for projections that read them: `AggregateSql.dataOf`. */
  readonly data: readonly (readonly string[])[];
  /** Of the command's record: `successValues`. Undefined where it is stored by a statement of its own. */
  readonly record: readonly unknown[] | undefined;
  /** Of its inline read models: `textsOf`. */
  readonly texts: readonly (readonly string[])[];
  /** Of its idempotency key, if it has one: `claimValues`. */
  readonly claim: readonly unknown[] | undefined;
}

/**
 * The statements that keep one kind of aggregate, made from its mapping.
 *
 * A write is one statement: the row, its events, its inline read models, the command's record and its idempotency key. It fails with
 * serialization_failure when the row was written by somebody else since it was read. docs/statement.md shows one.
 *
 * Its first part, `input`, gives the parameters their names, so that no other part knows their numbers. PostgreSQL puts it in where it
 * is read (`not materialized`), so that the plan is the same as with the numbers. The values of the row are the only ones that stand where they are
 * used: their types are those of their columns.
 */
export class AggregateSql {
  readonly #table: string;
  readonly #columns: ReadonlyMap<string, string>;
  readonly #key: string;
  /** The property that is the key of the row. */
  readonly keyProperty: string;
  /** The column that counts the writes of the row. */
  readonly #writes: string;
  readonly #writesProperty: string;
  readonly #projections: readonly string[];
  /** Of an aggregate of several tables. */
  readonly tree: AggregateTree | undefined;
  readonly #inputs: Inputs;
  /** Whether a projection reads the events as JSON. */
  readonly #readsData: boolean;
  /** Whether a projection reads how the row was before. */
  readonly readsBefore: boolean;
  /** Those that store texts of the aggregate beside its row. */
  readonly projectionsWithTexts: readonly InlineProjection<object>[];
  /** A text is the same for the same columns, so that it is prepared once a connection. */
  readonly #texts = new Map<string, string>();
  /** Finds a row by its id, the only parameter. */
  readonly select: string;
  /** The same, and keeps others from changing the row until the transaction ends. */
  readonly selectForUpdate: string;
  /** Keeps others from changing the row until the transaction ends, and tells nothing of it. */
  readonly lock: string;
  /** The same, unless it has been written more often than the second parameter; answers how it is, where a projection reads that. */
  readonly lockUnwritten: string;
  /** The same again, and counts a write of the row. */
  readonly countWrite: string;
  /** Ids in their order: at most $2 behind the id $1. */
  readonly idsBehind: string;
  /** Rows by their ids, $1. */
  readonly selectAll: string;
  /** The whole rows of `input`, as `written` of a projection. */
  readonly writtenByInput: string;
  readonly count: string;

  constructor(type: AggregateType<object>, metadata: EntityMetadata) {
    this.#table = `${metadata.schema}.${quoted(metadata.tableName)}`;
    this.#columns = new Map(
      metadata.props.filter(hasColumns).map(({ name, fieldNames: [column = name] }) => [name, quoted(column)]),
    );
    this.tree = isTree(metadata) ? new AggregateTree(metadata, type.populate) : undefined;
    const { versionProperty, primaryKeys } = metadata;
    const [keyProperty, anotherKey] = primaryKeys;
    if (keyProperty === undefined || anotherKey !== undefined)
      throw new Error(`the mapping of ${type.name} needs one primary key, a uuid`);
    if (versionProperty === undefined) throw new Error(`the mapping of ${type.name} needs an integer property with version()`);
    this.keyProperty = keyProperty;
    this.#key = this.#column(this.keyProperty);
    this.#writesProperty = versionProperty;
    this.#writes = this.#column(this.#writesProperty);
    const ofRows = type.projections.filter(isOfRows);
    const ofEvents = type.projections.filter(isOfEvents);
    this.projectionsWithTexts = ofRows.filter(({ texts }) => texts);
    const texts = this.projectionsWithTexts.map(({ name }) => [name, 'text[]'] as const);
    const reads = new Set(ofRows.flatMap(({ reads = [] }) => reads));
    this.readsBefore = reads.has('before');
    this.#readsData = reads.has('events') || ofEvents.some(({ data = true }) => data);
    this.#inputs = together(EVENT_INPUTS, this.#readsData ? EVENT_DATA_INPUTS : {}, Object.fromEntries(texts));
    this.#projections = [
      ...(this.#readsData || ofEvents.length > 0 ? [eventsOf(this.#readsData)] : []),
      ...ofRows.map((projection) => `${projection.name} as (${statementOf(projection)})`),
      ...ofEvents.flatMap((projection) => projectionParts(projection).map(({ name, text }) => `${name} as (${text})`)),
    ];
    this.select = `select ${[...this.#columns.values()].join(', ')} from ${this.#table} where ${this.#key} = $1`;
    this.selectForUpdate = `${this.select} for update`;
    const all = `select ${[...this.#columns.values()].join(', ')} from ${this.#table}`;
    this.idsBehind = `select ${this.#key} as id from ${this.#table} where ${this.#key} > $1 order by ${this.#key} limit $2`;
    this.selectAll = `${all} where ${this.#key} = any($1::uuid[])`;
    this.writtenByInput = `select row.* from ${this.#table} as row join input on row.${this.#key} = input.aggregate_id`;
    this.count = `select count(*) as count from ${this.#table}`;
    this.lock = `select from ${this.#table} where ${this.#key} = $1 for update`;
    const before = this.readsBefore ? 'to_jsonb(before)' : 'null';
    const row = `select * from ${this.#table} where ${this.#key} = $1 and ${this.#writes} = $2 for update`;
    this.lockUnwritten = `with before as (${row}) select ${before} as before from before`;
    this.countWrite = `with before as (${row})
  update ${this.#table} as row set ${this.#writes} = row.${this.#writes} + 1 from before where row.${this.#key} = before.${this.#key}
  returning ${before} as before`;
  }

  /** The properties that are columns of the row, without the one that counts its writes. */
  get properties(): readonly string[] {
    return [...this.#columns.keys()].filter((name) => name !== this.#writesProperty);
  }

  /** How often the row had been written when the aggregate was loaded. */
  writesOf(aggregate: object): number {
    return (aggregate as Record<string, number>)[this.#writesProperty] ?? 0;
  }

  /** The events as the projections see them, where one does. */
  dataOf(events: readonly EventMessage[]): SideEffects['data'] {
    return this.#readsData ? [events.map(({ schema, message }) => toJsonString(schema, message))] : [];
  }

  /** What the inline read models store of the aggregate beside its row. */
  textsOf(aggregate: object): readonly (readonly string[])[] {
    return this.projectionsWithTexts.map((projection) => projection.texts?.(aggregate) ?? []);
  }

  /** Stores what hangs on a row that has been written already. `before`: as `countWrite` answered it. */
  beside(before: unknown, beside: SideEffects): Statement {
    const inputs = this.readsBefore ? BEFORE_INPUTS : {};
    const text = this.#text({ verb: 'beside', properties: {}, beside, inputs }, () => ({
      written: `select row.* from ${this.#table} as row, input where row.${this.#key} = input.aggregate_id`,
      before: `select row.* from input, jsonb_populate_record(null::${this.#table}, input.row_before) as row where input.row_before is not null`,
    }));
    const values = valuesOf(beside);
    return { text, values: this.readsBefore ? [...values, before === null ? null : JSON.stringify(before)] : values };
  }

  insert(properties: Readonly<Record<string, unknown>>, beside: SideEffects): Statement {
    const text = this.#text({ verb: 'insert', properties, beside }, (columns, first) => {
      const values = columns.map((_, index) => `$${first + index}`).join(', ');
      return {
        written: `insert into ${this.#table} (${columns.join(', ')}) values (${values}) returning *`,
        before: `select * from ${this.#table} where false`,
      };
    });
    return { text, values: [...valuesOf(beside), ...Object.values(properties).map(toParameter)] };
  }

  /** Sets these properties, unless the row has been written since it had been written `writes` times. */
  update(
    { writes, properties }: { writes: number; properties: Readonly<Record<string, unknown>> },
    beside: SideEffects,
  ): Statement {
    const text = this.#text({ verb: 'update', properties, beside, inputs: UPDATE_INPUTS }, (columns, first) => {
      const changes = columns.map((column, index) => `${column} = $${first + index}`);
      const set = [...changes, `${this.#writes} = row.${this.#writes} + 1`].join(', ');
      return {
        written: `update ${this.#table} as row set ${set} from input
  where row.${this.#key} = input.aggregate_id and row.${this.#writes} = input.writes returning row.*`,
        // As all parts of a statement, it sees the rows as they were when it began.
        before: `select row.* from ${this.#table} as row, input where row.${this.#key} = input.aggregate_id`,
      };
    });
    return { text, values: [...valuesOf(beside), writes, ...Object.values(properties).map(toParameter)] };
  }

  /** `write` gets the columns and the number of the first one's parameter. */
  #text(
    {
      verb,
      properties,
      beside,
      inputs = {},
    }: { verb: string; properties: Readonly<Record<string, unknown>>; beside: SideEffects; inputs?: Inputs },
    write: (columns: readonly string[], first: number) => { readonly written: string; readonly before: string },
  ): string {
    const names = Object.keys(properties);
    const key = `${verb} ${beside.claim ? 'claimed ' : ''}${beside.record ? '' : 'unrecorded '}${names.join()}`;
    let text = this.#texts.get(key);
    if (text === undefined) {
      const all = together(this.#inputs, beside.record ? SUCCESS_INPUTS : {}, beside.claim ? CLAIM_INPUTS : {}, inputs);
      const columns = names.map((name) => this.#column(name));
      const first = Object.keys(all).length + 1;
      const { written, before } = write(columns, first);
      text = [
        `with input as not materialized (\n  select ${named(all)})`,
        ...(this.readsBefore ? [`before as (${before})`] : []),
        `written as (${written})`,
        `event as (${STORE_EVENTS})`,
        ...(beside.record ? [`record as (${STORE_SUCCESS})`] : []),
        ...this.#projections,
        ...(beside.claim ? [`claim as (${STORE_CLAIM_BESIDE})`] : []),
      ].join(',\n');
      text += `\nselect case when exists (select from written) then 1 else cqrs.overtaken() end, (select max(position) from event) as position`;
      this.#texts.set(key, text);
    }
    return text;
  }

  #column(property: string): string {
    const column = this.#columns.get(property);
    if (column === undefined) throw new Error(`the mapping has no column for ${property}`);
    return column;
  }
}

/** Parameters of a statement by their names, with their types, in their order. */
type Inputs = Readonly<Record<string, string>>;

function together(...parts: readonly Inputs[]): Inputs {
  const all = Object.assign({}, ...parts) as Inputs;
  const count = parts.reduce((sum, part) => sum + Object.keys(part).length, 0);
  if (Object.keys(all).length < count) throw new Error('two parameters of a statement have the same name');
  return all;
}

const named = (inputs: Inputs): string =>
  sqlList(Object.entries(inputs).map(([name, type], index) => `$${index + 1}::${type} as ${name}`));

/** The values of all inputs of side effects, in their order. */
const valuesOf = ({ events, data, texts, record = [], claim = [] }: SideEffects): readonly unknown[] => [
  ...events,
  ...data,
  ...texts,
  ...record,
  ...claim,
];

const STORE_EVENTS = `insert into cqrs.event
    (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
  select event.id, event.type, event.payload, event.personal,
    input.aggregate_type, input.aggregate_id, input.aggregate_version, input.command_id, input.traceparent, input.occurred_at
  from written, input, unnest(input.event_ids, input.event_types, input.event_payloads, input.event_personal)
    as event (id, type, payload, personal)
  returning position`;

/** The events of what no mapping keeps. */
export const storeEventsOnly = (events: EventValues): Statement => ({
  text: `with input as not materialized (\n  select ${named(EVENT_INPUTS)}),\nwritten as (select)\n${STORE_EVENTS}`,
  values: events,
});

/**
 * The events that the command recorded, for projections, in their order: `data` is the event as JSON (ProtoJSON). A projection that reads
 * nothing else needs no aggregate and no row: its statement is the same for the events of one command and for those of many.
 */
const eventsOf = (withData: boolean): string => `events as (
  select event.position, event.id, event.type, ${withData ? 'event.data' : 'null'}::jsonb as data,
    input.aggregate_type, input.aggregate_id, input.aggregate_version, input.command_id, input.occurred_at
  from written, input, unnest(input.event_ids, input.event_types${withData ? ', input.event_data' : ''}) with ordinality
    as event (id, type, ${withData ? 'data, ' : ''}position))`;

const isOfRows = (projection: InlineProjection<object> | Projection): projection is InlineProjection<object> =>
  'statement' in projection;
const isOfEvents = (projection: InlineProjection<object> | Projection): projection is Projection => !isOfRows(projection);

const quoted = (name: string): string => `"${name}"`;

const toParameter = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value);
