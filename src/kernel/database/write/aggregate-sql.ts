import type { EntityMetadata } from '@mikro-orm/core';
import { SUCCESS_PARAMETERS, storeSuccess } from '../../command-log/command-record.ts';
import type { AggregateType, InlineProjection } from './aggregate-type.ts';
import { CLAIM_PARAMETERS, storeClaim } from './idempotency-keys.ts';

/** A statement with its parameters. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The events: parameters 1 to 9 of every write, in this order. */
export type EventParameters = readonly [
  aggregateType: string,
  aggregateVersion: number,
  commandId: string,
  traceparent: string,
  occurredAt: string,
  ids: readonly string[],
  types: readonly string[],
  payloads: readonly Buffer[],
  personal: readonly (Buffer | null)[],
];
const FIRST_OF_RECORD = 10;
const FIRST_OF_TEXTS = FIRST_OF_RECORD + SUCCESS_PARAMETERS;

/** What is stored beside the row. */
export interface SideEffects {
  readonly events: EventParameters;
  /** Of the command's record: `successParameters`. */
  readonly record: readonly unknown[];
  /** Of its inline read models: `textsOf`. */
  readonly texts: readonly (readonly string[])[];
  /** Of its idempotency key, if it has one: `claimParameters`. */
  readonly claim: readonly unknown[] | undefined;
}

/**
 * The statements that keep one kind of aggregate, made from its mapping.
 *
 * A write is one statement: the row, its events, its inline read models, the command's record and its idempotency key. It fails with
 * serialization_failure when the row was written by somebody else since it was read.
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
  readonly #sideEffects: string;
  readonly #projectionsWithTexts: readonly InlineProjection<object>[];
  readonly #firstOfClaim: number;
  /** A text is the same for the same columns, so that it is prepared once a connection. */
  readonly #texts = new Map<string, string>();
  /** Finds a row by its id, the only parameter. */
  readonly select: string;
  /** The same, and keeps others from changing the row until the transaction ends. */
  readonly selectForUpdate: string;

  constructor(type: AggregateType<object>, metadata: EntityMetadata) {
    this.#table = `${metadata.schema}.${quoted(metadata.tableName)}`;
    this.#columns = new Map(metadata.props.map(({ name, fieldNames: [column = name] }) => [name, quoted(column)]));
    this.keyProperty = metadata.primaryKeys[0] ?? '';
    this.#key = this.#column(this.keyProperty);
    this.#writesProperty = metadata.versionProperty ?? '';
    this.#writes = this.#column(this.#writesProperty);
    this.#projectionsWithTexts = type.projections.filter(({ texts }) => texts);
    this.#firstOfClaim = FIRST_OF_TEXTS + this.#projectionsWithTexts.length;
    const texts = (projection: InlineProjection<object>): string =>
      `$${FIRST_OF_TEXTS + this.#projectionsWithTexts.indexOf(projection)}::text[]`;
    this.#sideEffects = [
      `event as (${storeEvents(this.#key)})`,
      `record as (${storeSuccess(this.#key, FIRST_OF_RECORD)})`,
      ...type.projections.map((projection) => `${projection.name} as (${projection.statement(texts(projection))})`),
    ].join(',\n');
    this.select = `select ${[...this.#columns.values()].join(', ')} from ${this.#table} where ${this.#key} = $1`;
    this.selectForUpdate = `${this.select} for update`;
  }

  /** How often the row had been written when the aggregate was loaded. */
  writesOf(aggregate: object): number {
    return (aggregate as Record<string, number>)[this.#writesProperty] ?? 0;
  }

  /** What the inline read models store of the aggregate beside its row. */
  textsOf(aggregate: object): readonly (readonly string[])[] {
    return this.#projectionsWithTexts.map((projection) => projection.texts?.(aggregate) ?? []);
  }

  insert(properties: Readonly<Record<string, unknown>>, beside: SideEffects): Statement {
    const text = this.#text({ verb: 'insert', properties, beside }, (columns, first) => {
      const values = columns.map((_, index) => `$${first + index}`).join(', ');
      return `insert into ${this.#table} (${columns.join(', ')}) values (${values}) returning *`;
    });
    return { text, values: [...parametersOf(beside), ...Object.values(properties).map(toParameter)] };
  }

  /** Sets these properties, unless the row has been written since it had been written `writes` times. */
  update(
    { id, writes, properties }: { id: string; writes: number; properties: Readonly<Record<string, unknown>> },
    beside: SideEffects,
  ): Statement {
    const text = this.#text({ verb: 'update', properties, beside }, (columns, first) => {
      const changes = columns.map((column, index) => `${column} = $${first + index}`);
      const set = [...changes, `${this.#writes} = ${this.#writes} + 1`].join(', ');
      const next = first + columns.length;
      return `update ${this.#table} set ${set} where ${this.#key} = $${next} and ${this.#writes} = $${next + 1} returning *`;
    });
    return { text, values: [...parametersOf(beside), ...Object.values(properties).map(toParameter), id, writes] };
  }

  /** `write` gets the columns and the number of the first one's parameter. */
  #text(
    { verb, properties, beside }: { verb: string; properties: Readonly<Record<string, unknown>>; beside: SideEffects },
    write: (columns: readonly string[], first: number) => string,
  ): string {
    const names = Object.keys(properties);
    const key = `${verb} ${beside.claim ? 'claimed ' : ''}${names.join()}`;
    let text = this.#texts.get(key);
    if (text === undefined) {
      const first = this.#firstOfClaim + (beside.claim ? CLAIM_PARAMETERS : 0);
      const columns = names.map((name) => this.#column(name));
      const claim = beside.claim ? `,\nclaim as (${storeClaim(this.#key, this.#firstOfClaim)})` : '';
      text = `with written as (${write(columns, first)}),\n${this.#sideEffects}${claim}\nselect case when exists (select from written) then 1 else cqrs.overtaken() end`;
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

const storeEvents = (key: string): string => `insert into cqrs.event
    (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
  select event.id, event.type, event.payload, event.personal, $1, written.${key}, $2, $3, $4, $5
  from written, unnest($6::uuid[], $7::text[], $8::bytea[], $9::bytea[]) as event (id, type, payload, personal)`;

const parametersOf = ({ events, record, texts, claim = [] }: SideEffects): readonly unknown[] => [
  ...events,
  ...record,
  ...texts,
  ...claim,
];

const quoted = (name: string): string => `"${name}"`;

const toParameter = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value);
