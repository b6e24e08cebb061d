import { randomUUID } from 'node:crypto';
import type { TestApp } from '../../support/test-app.ts';

/** Only rows: no module declares it, so no instance sends its commands. */
export const PROCESS = 'sent_by_nobody';

/** How a timer does; waiting, for an hour more, unless it is said. */
export interface GivenTimer {
  readonly process?: string;
  /** E.g. `-1 hour`. */
  readonly dueIn?: string;
  readonly state?: 'waiting' | 'failed';
  readonly attempts?: number;
  readonly refusals?: number;
  readonly error?: string;
  readonly retryAt?: string;
}

/** A timer as its process manager set it, of the process, event and first command of its own id, which it returns. */
export async function setTimer({ database }: Pick<TestApp, 'database'>, given: GivenTimer = {}): Promise<string> {
  const id = randomUUID();
  const { process = PROCESS, dueIn = '1 hour', state = 'waiting', attempts = 0, refusals = 0, error, retryAt } = given;
  await database.query(
    `insert into cqrs.timer (id, process, process_key, key, method, request, accepts, due_at, event_id, correlation_id, traceparent,
       state, attempts, refusals, error, retry_at)
     select id, $2, id::text, 'unpaid', 'orders.v1.CommandService/CancelOrder', '', '{}', now() + $3::interval, id, id, '',
       $4, $5, $6, $7, $8 from (select $1::uuid as id) as given`,
    [id, process, dueIn, state, attempts, refusals, error ?? null, retryAt ?? null],
  );
  return id;
}
