import { type DescMethodUnary, fromBinary } from '@bufbuild/protobuf';
import { createContextValues, type Transport } from '@connectrpc/connect';
import type pg from 'pg';
import type { Logger } from 'pino';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';
import { loop } from '../../background/loop.ts';
import { causeKey, principalKey } from '../../bus/context-keys.ts';
import { failureOf } from '../../bus/failure.ts';
import { KEY_HEADER } from '../../middleware/idempotency.ts';
import { inTimer } from '../../telemetry/reaction-span.ts';
import { CallFailed, isTransient, reactorPrincipal } from '../processors/reactor-handler.ts';
import { CLAIM, type ClaimRow, type DueTimer, FAILED } from './timer-statements.ts';

/** How many commands of timers an instance sends at once. */
const AT_ONCE = 16;
/** How long it does not look whether one is due that another instance set, in milliseconds. */
const LOOK = 1_000;
/** How long a command may take, in milliseconds. */
const PATIENCE = 30_000;

/** What became of a command that was due. */
export interface FiredTimer {
  readonly process: string;
  /** `done`, also where it was refused by a reason that is accepted; `refused`, and it will be tried again; `failed`, and it will not; `later` where it could not be sent. */
  readonly outcome: 'done' | 'refused' | 'failed' | 'later';
  /** How long after it was due. */
  readonly lateSeconds: number;
}

export interface TimersOptions {
  /** The id of this process in cqrs.instance. */
  readonly instance: string;
  /** Reactors and process managers that this program has. */
  readonly processes: readonly string[];
  /** The commands of this program by their names. */
  readonly methods: ReadonlyMap<string, DescMethodUnary>;
  /** Of the bus, in this process. */
  readonly transport: Transport;
  /** Everything that can be permitted. */
  readonly permissions: Iterable<string>;
  /** The primary, as the writer. */
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly logger: Pick<Logger, 'warn' | 'info' | 'error'>;
  readonly report?: ((fired: FiredTimer) => void) | undefined;
}

export interface Timers {
  /** To be called when this instance has set timers: they may be due before the next look. */
  readonly wake: () => void;
  /** Sends nothing any more. Resolves when what was sent is done. */
  readonly stop: () => Promise<void>;
}

/**
 * Sends the commands of timers that are due. Every instance does, each those that it claimed; those of one that is gone are claimed by the others.
 *
 * A command happens once, however often it is sent: its idempotency key is made of the timer's id, and is kept as long as the timer is there
 * (see `MAY_COME_AGAIN` in idempotency-keys.ts). The timer goes after the command was done.
 */
export function startTimers(options: TimersOptions): Timers {
  const { instance, processes, methods, transport, permissions, pool, logger, report } = options;
  const principals = new Map(processes.map((name) => [name, reactorPrincipal(name, permissions)]));
  const names = [...methods.keys()];
  const sending = new Map<string, Promise<void>>();
  /** Their timers are there still. */
  let done: string[] = [];
  let isStopping = false;
  let restMs = LOOK;

  async function round(): Promise<void> {
    const finished = [...done];
    const free = isStopping ? 0 : AT_ONCE - sending.size;
    const { rows } = await pool.query<ClaimRow>(CLAIM, [instance, processes, names, [...sending.keys()], finished, free]);
    done = done.slice(finished.length);
    for (const timer of rows) {
      if (timer.id === null) continue;
      const sent = send(timer).finally(() => {
        sending.delete(timer.id);
        firing.wake();
      });
      sending.set(timer.id, sent);
    }
    // One that ends wakes it.
    restMs = sending.size >= AT_ONCE ? LOOK : Math.min(LOOK, Math.max(1, rows[0]?.next_in ?? LOOK));
  }

  async function send(timer: DueTimer): Promise<void> {
    const { id, process, event_id: eventId, correlation_id: correlationId, accepts } = timer;
    const method = methods.get(timer.method) as DescMethodUnary;
    const values = createContextValues().set(principalKey, principals.get(process)).set(causeKey, { eventId, correlationId });
    const tell = (outcome: FiredTimer['outcome']): void =>
      report?.({ process, outcome, lateSeconds: Math.max(0, Date.now() - timer.due_at.getTime()) / 1000 });
    try {
      await inTimer(process, timer, async () => {
        try {
          const request = fromBinary(method.input, timer.request);
          await transport.unary(method, undefined, PATIENCE, { [KEY_HEADER]: timerKey(id) }, request, values);
        } catch (error) {
          // Without an answer where it was done before, and the answer went with the person that it was about.
          if (![...accepts, Reason[Reason.ANSWER_ERASED]].includes(failureOf(error).reason)) throw new CallFailed(method, error);
        }
      });
      done.push(id);
      tell('done');
    } catch (error) {
      await failed(timer, error as CallFailed, tell);
    }
  }

  async function failed(
    { id, process, key }: DueTimer,
    error: CallFailed,
    tell: (outcome: FiredTimer['outcome']) => void,
  ): Promise<void> {
    const isLater = isTransient(error.code);
    try {
      const { rows } = await pool.query<{ state: string }>(FAILED, [id, error.message, isLater ? 0 : 1]);
      const hasFailed = rows[0]?.state === 'failed';
      tell(isLater ? 'later' : hasFailed ? 'failed' : 'refused');
      if (hasFailed)
        logger.error(
          { process, timer: id, key, reason: error.message },
          `a timer of ${process} has failed: its command is refused. See \`bicameral timers\``,
        );
    } catch {
      // It is claimed by this instance still, which sends it again.
      tell('later');
    }
  }

  const firing = loop({
    name: 'timers',
    every: () => restMs,
    round,
    outage: { logger, fails: 'timers cannot be read', works: 'timers are read again' },
  });

  return {
    wake: firing.wake,
    stop: async () => {
      isStopping = true;
      await Promise.all(sending.values());
      await firing.next();
      await firing.stop();
    },
  };
}

/** Of the command of a timer: by this, MAY_COME_AGAIN knows it. */
export const timerKey = (id: string): string => `timer:${id}`;
