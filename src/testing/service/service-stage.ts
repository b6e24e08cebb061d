import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { ConnectError, type Transport } from '@connectrpc/connect';
import { CONSISTENCY_HEADER } from '../../kernel/bus/bus-headers.ts';
import { messageKind } from '../../kernel/bus/convention.ts';
import { COMMAND_ID_HEADER } from '../../kernel/command-log/command-attempt.ts';
import type { Application } from '../../kernel/service.ts';
import { eventTypesOf } from '../../kernel/start/modules.ts';
import type { Caller } from '../caller.ts';
import type { HistoricEvent, Outcome, PlainEvent } from '../outcome.ts';
import { expectedEvent, plain, plainEvent } from '../plain.ts';
import { Done, type Sent, type Stage } from '../scenario.ts';
import { TEST_TIME } from '../test-ids.ts';
import type { Aggregates } from './aggregates.ts';
import { refusalOf } from './refusal-of.ts';
import type { TestDatabase } from './test-database.ts';

interface EventRow {
  readonly type: string;
  readonly payload: Buffer;
  readonly personal: Buffer | null;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly aggregate_version: number;
  readonly command_id: string;
  readonly occurred_at: Date;
}

/** Scenarios on a service: each call goes through its gRPC door, and its events are read where they are stored. */
export function serviceStage(
  { modules }: Application,
  parts: { database: TestDatabase; aggregates: Aggregates; transport: (caller: Caller | undefined) => Transport },
): (given: readonly object[]) => Stage {
  const { database, aggregates, transport } = parts;
  const types = eventTypesOf(modules);
  const schemas = new WeakMap<object, DescMessage>();

  const eventsWhere = (condition: string, value: unknown): Promise<EventRow[]> =>
    database.query<EventRow>(
      `select type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, occurred_at
       from cqrs.event where ${condition} order by position`,
      [value],
    );

  function shown({ type, payload, personal }: EventRow): PlainEvent {
    const schema = types.getMessage(type);
    if (!schema) throw new TypeError(`${type} is no event of the modules: name its file in \`events\``);
    const event = plainEvent(schema, fromBinary(schema, Buffer.concat([payload, personal ?? Buffer.alloc(0)])));
    schemas.set(event, schema);
    return event;
  }

  async function send({ rpc, request, caller, at }: Sent): Promise<Outcome> {
    if (at !== TEST_TIME) throw new TypeError('a service has a clock of its own: what depends on the time is tested in memory');
    const method = 'method' in rpc ? rpc.method : rpc;
    const isQuery = messageKind(method.parent) === 'query';
    try {
      const header = isQuery ? { [CONSISTENCY_HEADER]: 'strong' } : {};
      const response = await transport(caller).unary(method, undefined, undefined, header, request as never);
      const commandId = response.header.get(COMMAND_ID_HEADER);
      const rows = isQuery ? [] : await eventsWhere('command_id = $1', commandId);
      const answer = plain(method.output, response.message as MessageShape<DescMessage>);
      return { events: rows.map(shown), answer, refusal: undefined, state: await stateOf(rows[0]) };
    } catch (error) {
      const refusal = error instanceof ConnectError ? refusalOf(error) : undefined;
      if (!refusal) throw error;
      return { events: [], answer: undefined, refusal, state: undefined };
    }
  }

  async function stateOf(row: EventRow | undefined): Promise<object | undefined> {
    const type = aggregates.types.find(({ name }) => name === row?.aggregate_type);
    return row && type && aggregates.load(type, row.aggregate_id);
  }

  async function prepare(given: readonly object[]): Promise<void> {
    for (const item of given) {
      if (typeof item === 'function') await item(database);
      else if (item instanceof Done) {
        const { refusal } = await send(item.sent);
        if (refusal) throw new Error(`what is given was refused: ${refusal.reason} (${refusal.message})`);
      } else await aggregates.store(item);
    }
  }

  return (given) => {
    let prepared: Promise<void> | undefined;
    return {
      prepare: () => {
        prepared ??= prepare(given);
        return prepared;
      },
      send,
      stored: async (type, id) => {
        const aggregate = await aggregates.load(type, id);
        const rows = await eventsWhere('aggregate_id = $1', id);
        return aggregate && { aggregate, history: rows.map((row) => historic(row, shown(row))) };
      },
      form: (expected, recorded) =>
        expectedEvent(expected as PlainEvent, recorded === undefined ? undefined : schemas.get(recorded as object)),
    };
  };
}

const historic = (row: EventRow, event: PlainEvent): HistoricEvent => ({
  event,
  version: row.aggregate_version,
  occurredAt: row.occurred_at,
  commandId: row.command_id,
});
