/**
 * What a module keeps about people, beside the aggregate that stands for the person, and how it goes when that is erased: in the transaction of
 * the command that erases it, so that either all of it is gone or nothing. `$1` is the id of the person, a uuid.
 *
 * ```ts
 * personalData: {
 *   aggregates: 'select id from orders."order" where customer_id = $1',
 *   erase: [`update orders."order" set address = '' where customer_id = $1`, 'delete from read.order_list where customer_id = $1'],
 * }
 * ```
 */
export interface PersonalData {
  /** The ids of aggregates that are about the person: what is personal goes from their events, records and kept answers. */
  readonly aggregates?: string;
  /** Statements that empty the tables of the module. They run in this order, after what `aggregates` names. */
  readonly erase?: readonly string[];
}

/** The statements of a module, each with the id of the person as its parameter. */
export function erasureOf({ aggregates, erase = [] }: PersonalData): string[] {
  if (aggregates === undefined) return [...erase];
  return [
    `with about as materialized (${aggregates}), event as (
      update cqrs.event set personal = null where aggregate_id in (table about) and personal is not null
    ), record as (
      update cqrs.command_log set personal = null where aggregate_id in (table about) and personal is not null
    )
    update cqrs.idempotency_key set secret = null, response = null where aggregate_id in (table about)`,
    ...erase,
  ];
}
