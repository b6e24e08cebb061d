import { createHmac } from 'node:crypto';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { Answer, type ConnectResponse, toResponse } from '../cqrs/answer.ts';
import { type Call, callOf } from '../cqrs/call.ts';
import { principalOf } from '../cqrs/context-keys.ts';
import { methodName } from '../cqrs/convention.ts';
import { BusError, type FieldViolation } from '../cqrs/errors.ts';
import { holdsSecrets } from '../cqrs/redaction.ts';
import type { Claim, EarlierAnswer, IdempotencyKeys } from '../postgres/writer/idempotency-keys.ts';
import { commandAttemptKey } from './command-attempt.ts';
import { claimKey } from './unit-of-work.ts';

export const KEY_HEADER = 'idempotency-key';
export const REPLAYED_HEADER = 'cqrs-replayed';

/** 1 to 255 visible characters of ASCII. */
const VALID_KEY = /^[\x21-\x7e]{1,255}$/;

/** The header `idempotency-key` has to be 1 to 255 visible ASCII characters, such as a UUID. Nothing was done. */
export class IdempotencyKeyInvalid extends BusError {
  readonly reason = 'IDEMPOTENCY_KEY_INVALID';
  readonly kind = 'invalid';
  override readonly violations: readonly FieldViolation[] = [
    { field: '', description: `the header ${KEY_HEADER} has to be 1 to 255 visible ASCII characters` },
  ];
  constructor() {
    super(`the header ${KEY_HEADER} has to be 1 to 255 visible ASCII characters`);
  }
}

/** The rpc answers a secret, which is never stored, so its answer could not be given again. Send the command without a key. */
export class IdempotencyKeyRefused extends BusError {
  readonly reason = 'IDEMPOTENCY_KEY_REFUSED';
  readonly kind = 'invalid';
  override readonly violations: readonly FieldViolation[] = [
    { field: '', description: `this rpc answers a secret and takes no ${KEY_HEADER}` },
  ];
  constructor() {
    super(`this rpc answers a secret, which is never stored: send it without ${KEY_HEADER}`);
  }
}

/**
 * Lets a command with an `idempotency-key` happen once: who sends it again, over any door and to any instance, gets the same answer,
 * marked `cqrs-replayed`. The key is scoped by caller and method and bound to the request. A command that fails does not use it up.
 *
 * The key is stored by the command's own transaction, and its primary key is what makes sure: of commands that run at once on several
 * instances one commits, and the others, whatever they ended with, find its answer when they look again. On one instance they wait
 * for each other in the first place.
 */
export function idempotency(keys: Pick<IdempotencyKeys, 'find'>, fingerprintKey: Buffer): Interceptor {
  const turns = new Turns();

  function claimOf(call: Call, key: string): Claim {
    const method = methodName(call.method);
    const request = toBinary(call.method.input, call.request);
    const fingerprint = createHmac('sha256', fingerprintKey).update(`${method}\0`).update(request).digest();
    return { principal: principalOf(call).id, method, key, fingerprint };
  }

  return (next) => async (request) => {
    const call = callOf(request);
    const key = call.headerValue(KEY_HEADER);
    if (key === undefined) return await next(request);
    if (!VALID_KEY.test(key)) throw new IdempotencyKeyInvalid();
    if (holdsSecrets(call.method.output)) throw new IdempotencyKeyRefused();
    if (call.contextValues.get(commandAttemptKey)?.dryRun) return await next(request);

    const claim = claimOf(call, key);
    return await turns.take(`${claim.principal}\0${claim.method}\0${key}`, async () => {
      if (call.cancellation.reason) throw call.cancellation.reason;
      const earlier = await keys.find(claim, call.cancellation);
      if (earlier) return answerAgain(call, earlier);
      call.contextValues.set(claimKey, claim);
      try {
        return await next(request);
      } catch (error) {
        const meanwhile = await keys.find(claim, call.cancellation).catch((refusal: unknown) => {
          if (refusal instanceof BusError && refusal.kind !== 'unavailable') throw refusal;
          throw error;
        });
        if (!meanwhile) throw error;
        return answerAgain(call, meanwhile);
      }
    });
  };
}

function answerAgain(call: Call, { commandId, response }: EarlierAnswer): ConnectResponse {
  const answer = new Answer(call.method, fromBinary(call.method.output, response));
  const attempt = call.contextValues.get(commandAttemptKey);
  // Our own commit, of which the connection broke before it was confirmed.
  if (commandId === call.id) {
    if (attempt) attempt.isRecorded = true;
    return toResponse(answer);
  }
  if (attempt) attempt.answeredBy = commandId;
  answer.setHeader(REPLAYED_HEADER, 'true');
  return toResponse(answer);
}

/** One at a time for each name, first come, first served. */
class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const turn = before ? before.then(work, work) : work();
    this.#last.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(name) === turn) this.#last.delete(name);
    }
  }
}
