import type { DescMessage, JsonObject, MessageShape } from '@bufbuild/protobuf';
import type { EntitySchema } from '@mikro-orm/core';
import type { DomainError } from '../../bus/errors.ts';
import type { Projection, ProjectionTables } from '../../feed/projection.ts';

/** An event in the form in which it is stored. */
export interface EventMessage {
  readonly schema: DescMessage;
  readonly message: MessageShape<DescMessage>;
}

/**
 * A read model kept in the command's own transaction, so that it is current on the primary when the command is answered.
 *
 * Its statement is one part of the statement that stores the command. It reads relations, and changes rows by them as a set:
 *
 * - `written`: the aggregate's row as it now is, or no row;
 * - `before`, where `reads` names it: the row as the command found it, or none of a new aggregate;
 * - `events`, where `reads` names it: what the command recorded of the aggregate, in order, with the columns `position`, `id`, `type`,
 *   `data` (jsonb: the event as ProtoJSON), `aggregate_type`, `aggregate_id`, `aggregate_version`, `command_id` and `occurred_at`.
 *
 * What reads `events` alone is better declared as a `projection`, which can also be kept later, from the feed, and be rebuilt.
 */
export interface InlineProjection<A extends object> {
  /** Names the projection inside the statement it is part of. */
  readonly name: string;
  readonly reads?: readonly ('before' | 'events')[];
  /** What it stores and the database cannot make of the row. */
  texts?(aggregate: A): readonly string[];
  /**
   * The tables that it fills and nobody else, all of them in `read`, by the names that its statement knows them by. With them it can be
   * rebuilt: then it is filled from the rows of all aggregates, many at once, and can read neither `before` nor `events`.
   */
  readonly tables?: ProjectionTables;
  /**
   * A data-modifying statement that reads `written`, the aggregate's row as it now is, or no row; and its texts as `input.<its name>`, an array,
   * of the `input` that has the row's key as `aggregate_id`. A function of the tables where these are named.
   */
  readonly statement: string | ((tables: ProjectionTables) => string);
}

/** The statement of a projection of rows, for its tables or for others of the same form. */
export const statementOf = ({ statement, tables = {} }: InlineProjection<never>, others = tables): string =>
  typeof statement === 'string' ? statement : statement(others);

/** How the unit of work keeps one kind of aggregate: what it needs to know and the domain must not. */
export interface AggregateType<A extends object> {
  /** As stored in cqrs.event, e.g. `users.v1.User`. */
  readonly name: string;
  /**
   * A root with a uuid as its key and an integer `version()` property that counts the writes of its row. With scalar properties alone the
   * aggregate is flat: one table, written by one statement. With anything else (collections, references, embeddables) it is a tree:
   * MikroORM loads and flushes it.
   */
  readonly mapping: EntitySchema;
  /** Of a tree: what is loaded with the root, as MikroORM's `populate`. Without it, the collections and one-to-one partners that it owns. */
  readonly populate?: readonly string[];
  /** Of a tree: how it is loaded. `joined`, by default, is one statement; `select-in` one for each table, for trees with several large collections. */
  readonly strategy?: 'joined' | 'select-in';
  id(aggregate: A): string;
  /** The version at which the aggregate will be committed. */
  version(aggregate: A): number;
  events(aggregate: A): readonly EventMessage[];
  /**
   * The names by which people call the person that the aggregate stands for, such as an e-mail address. What is recorded under them
   * is erased together with the aggregate's personal data: see `OwnerDigest`.
   */
  names?(aggregate: A): readonly string[];
  /** Whether what its stored events hold of personal data is to be erased. */
  erasesPersonalData(aggregate: A): boolean;
  /** What people are shown of the aggregate when a command is run again: all that commands decide by, and no secret. */
  snapshot?(aggregate: A): JsonObject;
  /** Its inline read models: those that read its row, and projections of events. */
  readonly projections: readonly (InlineProjection<A> | Projection)[];
  /** What the violation of a constraint by this aggregate means to the caller; undefined when it should not have happened. */
  violation(constraint: string, aggregate: A): DomainError | undefined;
}
