import type pg from 'pg';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import type { Cancellation } from '../../bus/cancellation.ts';
import { domainError } from '../../bus/errors.ts';
import { readRows } from '../cancellable-query.ts';
import { translateSqlError } from '../sql-errors.ts';
import { sqlList } from '../sql-list.ts';
import { type CommittedState, stateBehind } from './committed-state.ts';

/** A caller's promise that all commands under one key are one and the same command. */
export interface Claim {
  /** The caller's id, empty for an anonymous one. */
  readonly principal: string;
  readonly method: string;
  readonly key: string;
  /** Tells requests apart without holding them. Secrets have no part in it: it is fast to compute. */
  readonly fingerprint: Buffer;
  /** What version 0.1 would have stored as the fingerprint, by each key that it may have had. */
  readonly fingerprints01?: () => readonly Buffer[];
  /** A slow hash of the whole request, when there are secrets in it. */
  readonly secret?: string | undefined;
}

/** A claim with the answer that the command is about to give. */
export interface AnsweredClaim extends Claim {
  readonly response: Buffer;
}

/** What was answered under a key. */
export interface EarlierAnswer {
  readonly commandId: string;
  /** The response message. */
  readonly response: Buffer;
  /** The slow hash that the request has to match besides. */
  readonly secret: string | undefined;
  /** What the database has now, which is at least what the first answer told of. */
  readonly state: CommittedState;
}

export class IdempotencyKeyReused extends domainError(ReasonSchema, Reason.IDEMPOTENCY_KEY_REUSED) {
  constructor() {
    super('this idempotency key was used for another request; use a new key for a new command');
  }
}

export class AnswerErased extends domainError(ReasonSchema, Reason.ANSWER_ERASED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(commandId: string) {
    super('the command was done before; its answer was erased together with the personal data in it');
    this.metadata = { command_id: commandId };
  }
}

/** The primary key: what makes sure that a key is used once. */
export const KEY_CONSTRAINT = 'idempotency_key_pkey';

/** What `STORE_CLAIM_BESIDE` takes as columns of `input`, each with its type; their values are `claimValues`. */
export const CLAIM_INPUTS = {
  claim_principal: 'text',
  claim_method: 'text',
  claim_key: 'text',
  claim_fingerprint: 'bytea',
  claim_secret: 'text',
  claim_response: 'bytea',
} as const;

const COLUMNS = 'principal, method, key, fingerprint, secret, response, command_id, aggregate_id, created_at';

/** Stores a claim in the statement that writes the aggregate. */
export const STORE_CLAIM_BESIDE = `insert into cqrs.idempotency_key
    (${COLUMNS})
  select ${sqlList([...Object.keys(CLAIM_INPUTS), 'command_id', 'aggregate_id'].map((name) => `input.${name}`))}, now()
  from written, input`;

/** Stores a claim of a command that changed nothing: `claimValues`, the id of the command and that of what it was about, or null. */
export const STORE_CLAIM = `insert into cqrs.idempotency_key
    (${COLUMNS})
  values ($1, $2, $3, $4, $5, $6, $7, $8, now())`;

export const claimValues = ({ principal, method, key, fingerprint, secret, response }: AnsweredClaim): readonly unknown[] => [
  principal,
  method,
  key,
  fingerprint,
  secret ?? null,
  response,
];

/** Whether a key was used; the values are `keyOf`. */
export const KEY_USED = `select from cqrs.idempotency_key where principal = $1 and method = $2 and key = $3`;

export const keyOf = ({ principal, method, key }: Claim): readonly unknown[] => [principal, method, key];

const FIND = `select fingerprint, secret, command_id, response from cqrs.idempotency_key
  where principal = $1 and method = $2 and key = $3`;

const ID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/**
 * Whether a command can be sent again that a reactor sent: because the event can come again, with which it has not noted yet that it dealt, or
 * which is a dead letter; or because the timer is there that sends it. Only a key of that form is looked at, whoever calls themselves a reactor.
 */
const MAY_COME_AGAIN = `case when principal like 'reactor %' and key ~ '^${ID}' then exists (
      select from cqrs.event join cqrs.feed using (position)
        join cqrs.processor on processor.kind = 'reactor' and processor.name = substr(principal, 9)
      where event.id = left(key, 36)::uuid and (feed.sequence > processor.checkpoint or exists (
        select from cqrs.dead_letter where dead_letter.processor = processor.name and dead_letter.sequence = feed.sequence)))
    when principal like 'reactor %' and key ~ '^timer:${ID}$' then exists (select from cqrs.timer where id = substr(idempotency_key.key, 7)::uuid)
    else false end`;

/** Removes some of the oldest; answers as many rows as it removed. */
const REMOVE_OLD = `delete from cqrs.idempotency_key where ctid = any (array(
    select ctid from cqrs.idempotency_key where created_at < now() - $1 * interval '1 second' and not ${MAY_COME_AGAIN}
    order by created_at limit $2 for update skip locked))`;

/** How many are removed at once. */
const BATCH = 1_000;

/** The keys that were used, each with what was answered. */
export interface IdempotencyKeys {
  /** What was answered under the key, if it was used. Throws IdempotencyKeyReused or AnswerErased. */
  readonly find: (claim: Claim, cancellation: Cancellation) => Promise<EarlierAnswer | undefined>;
  /** Removes what is older than the keys are kept, in small batches; answers how many. A reactor's stay while it can send them again. */
  readonly removeOld: () => Promise<number>;
}

export function createIdempotencyKeys({ pool, keptSeconds }: { pool: pg.Pool; keptSeconds: number }): IdempotencyKeys {
  async function removeOld(): Promise<number> {
    let removed = 0;
    for (;;) {
      const { rowCount } = await pool.query(REMOVE_OLD, [keptSeconds, BATCH]);
      removed += rowCount ?? 0;
      if ((rowCount ?? 0) < BATCH) return removed;
    }
  }
  return {
    async find(claim, cancellation) {
      type Row = { fingerprint: Buffer; secret: string | null; command_id: string; response: Buffer | null };
      const [row] = await readRows<Row>(pool, { text: FIND, values: keyOf(claim) }, cancellation).catch((error: unknown) => {
        throw translateSqlError(error);
      });
      if (!row) return undefined;
      const isOfRequest = (fingerprint: Buffer): boolean => row.fingerprint.equals(fingerprint);
      if (!isOfRequest(claim.fingerprint) && !claim.fingerprints01?.().some(isOfRequest)) throw new IdempotencyKeyReused();
      if (!row.response) throw new AnswerErased(row.command_id);
      const state = await stateBehind(pool, row.command_id, cancellation);
      return { commandId: row.command_id, response: row.response, secret: row.secret ?? undefined, state };
    },
    removeOld,
  };
}
