import { type DescMethod, type Message, toBinary } from '@bufbuild/protobuf';
import { methodName } from '../../bus/convention.ts';

/** A command that is to be sent later. */
export interface SetTimer {
  readonly id: string;
  readonly method: DescMethod;
  readonly request: Message;
  readonly accepts: readonly string[];
  readonly dueAt: Date;
  /** The event with which it was set. */
  readonly eventId: string;
  readonly correlationId: string;
  readonly traceparent: string;
}

/** What the reaction to one event leaves in the database. */
export class Change {
  /** Of which process: the `process_key` of its timers. */
  readonly key: string;
  /** What it remembers from now on: undefined where that stays, null where it ends. */
  state: Uint8Array | null | undefined;
  /** Whether its timers from before are cancelled. */
  isEnded = false;
  /** By their keys; null for one that is cancelled. */
  readonly timers = new Map<string, SetTimer | null>();

  constructor(key: string) {
    this.key = key;
  }

  end(): void {
    this.state = null;
    this.isEnded = true;
    this.timers.clear();
  }
}

/** Reads what a process remembers, as of the place where the processor is. Rejects with PlaceLost where that is another one by now. */
export type ReadState = (key: string) => Promise<Uint8Array | undefined>;

/** What the reactions of a batch leave in the database: rows of the statement that moves the checkpoint. */
export class Effects {
  readonly #read: ReadState;
  readonly #states = new Map<string, Uint8Array | null>();
  readonly #ended = new Set<string>();
  readonly #timers = new Map<string, { readonly processKey: string; readonly key: string; readonly timer: SetTimer | null }>();

  constructor(read: ReadState) {
    this.#read = read;
  }

  /** Of the process with that key, with what this batch did so far. */
  async stateOf(key: string): Promise<Uint8Array | undefined> {
    const state = this.#states.get(key);
    return state === undefined ? await this.#read(key) : (state ?? undefined);
  }

  /** Takes over what a reaction did that went well. */
  add({ key: processKey, state, isEnded, timers }: Change): void {
    if (state !== undefined) this.#states.set(processKey, state);
    if (isEnded) {
      this.#ended.add(processKey);
      for (const [name, item] of this.#timers) if (item.processKey === processKey) this.#timers.delete(name);
    }
    for (const [key, timer] of timers) this.#timers.set(JSON.stringify([processKey, key]), { processKey, key, timer });
  }

  get setsTimers(): boolean {
    return this.#timers.values().some(({ timer }) => timer !== null);
  }

  /** The parameter of the statement; null where nothing is to be written. */
  get parameter(): string | null {
    if (this.#states.size === 0 && this.#ended.size === 0 && this.#timers.size === 0) return null;
    const timers = [...this.#timers.values()];
    return JSON.stringify({
      states: [...this.#states].map(([key, state]) => ({ key, state: state && base64(state) })),
      gone: [
        ...[...this.#ended].map((process_key) => ({ process_key })),
        ...timers.filter(({ timer }) => timer === null).map(({ processKey, key }) => ({ process_key: processKey, key })),
      ],
      set: timers.flatMap(({ processKey, key, timer }) => (timer ? [timerRow(processKey, key, timer)] : [])),
    });
  }
}

const timerRow = (processKey: string, key: string, timer: SetTimer): object => ({
  id: timer.id,
  process_key: processKey,
  key,
  method: methodName(timer.method),
  request: base64(toBinary(timer.method.input, timer.request)),
  accepts: timer.accepts,
  due_at: timer.dueAt.toISOString(),
  event_id: timer.eventId,
  correlation_id: timer.correlationId,
  traceparent: timer.traceparent,
});

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/**
 * The parts of a reactor's statement that write its effects: `Effects.parameter` is that parameter, and nothing is written unless the checkpoint
 * moves. The parts see the tables as they were before: no row is written by two of them. Each finds its rows by an index, also by a plan that was made
 * when the tables were small.
 */
export function effectParts(process: string, parameter: string): string[] {
  return [
    `effects as (select ${parameter}::jsonb as data from moved)`,
    `state as (select item.* from effects, jsonb_to_recordset(data -> 'states') as item (key text, state text))`,
    `gone as (select item.* from effects, jsonb_to_recordset(data -> 'gone') as item (process_key text, key text))`,
    `due as (select item.* from effects, jsonb_to_recordset(data -> 'set') as item
    (id uuid, process_key text, key text, method text, request text, accepts text[], due_at timestamptz, event_id uuid, correlation_id uuid, traceparent text))`,
    `state_kept as (insert into cqrs.process_state (process, key, state, updated_at)
    select '${process}', key, decode(state, 'base64'), clock_timestamp() from state where state is not null
    on conflict (process, key) do update set state = excluded.state, updated_at = excluded.updated_at)`,
    `state_forgotten as (delete from cqrs.process_state
    where process = '${process}' and key = any (array(select key from state where state.state is null)))`,
    `cancelled as (select timer.id from gone, lateral (
      select id, process_key, key from cqrs.timer
      where process = '${process}' and process_key = gone.process_key and (gone.key is null or key = gone.key) offset 0) as timer
    where not exists (select from due where due.process_key = timer.process_key and due.key = timer.key))`,
    'timer_cancelled as (delete from cqrs.timer where id = any (array(select id from cancelled)))',
    `timer_set as (insert into cqrs.timer (id, process, process_key, key, method, request, accepts, due_at, event_id, correlation_id, traceparent)
    select id, '${process}', process_key, key, method, decode(request, 'base64'), accepts, due_at, event_id, correlation_id, traceparent from due
    on conflict (process, process_key, key) do update set id = excluded.id, method = excluded.method, request = excluded.request,
      accepts = excluded.accepts, due_at = excluded.due_at, event_id = excluded.event_id, correlation_id = excluded.correlation_id,
      traceparent = excluded.traceparent, state = 'waiting', attempts = 0, refusals = 0, error = null, failing_since = null,
      retry_at = null, claimed_by = null)`,
  ];
}

/** What a process remembers, where the processor is at `moves`: no row where it is not. */
export const STATE_AT = `select process_state.state from cqrs.processor
    left join cqrs.process_state on process_state.process = processor.name and process_state.key = $4
  where name = $1 and partition = $2 and moves = $3`;
