import type { DescMethod } from '@bufbuild/protobuf';
import { devices } from '../auth/devices.ts';
import { accessRule } from '../bus/access.ts';
import type { Answer } from '../bus/answer.ts';
import { DEVICE_HEADER } from '../bus/bus-headers.ts';
import type { Call } from '../bus/call.ts';
import { methodName } from '../bus/convention.ts';
import { DomainError } from '../bus/errors.ts';
import { guessLimitOf } from '../bus/limits.ts';
import { type Around, busMiddleware, type Middleware, type Need, type Next } from '../bus/middleware.ts';
import { networkOf } from '../bus/network.ts';
import { bringsSecret } from '../bus/redaction.ts';
import { type Count, type Guesses, guessTargets, MOST_GUESSES } from '../database/limits/guesses.ts';
import type { Guess, Guessing } from '../database/limits/guessing.ts';

const NEEDS: readonly Need[] = [{ name: 'authorization', because: 'only an allowed call is a guess' }];

/** Wrong guesses in a row of one client that cost no wait. */
const FREE = 5;

interface Limit {
  /** What a call guesses at, as the table of guesses knows it. */
  readonly account: (call: Call) => Buffer;
  readonly reasons: ReadonlySet<string>;
  /** Whether strangers may guess. */
  readonly isPublic: boolean;
}

export interface GuessLimitParts {
  readonly guessing: Guessing;
  readonly guesses: Pick<Guesses, 'knows' | 'remember'>;
  /** Of 32 bytes, the same on every instance. */
  readonly key: Buffer;
  /** Told why a client is not known though it should be: its call is over, and its outcome stands. */
  readonly report: (error: unknown) => void;
}

/**
 * Slows down guessing at a secret, for rpcs that say so in their contract (`cqrs.v1.guess_limit`). Guesses are counted by what is
 * guessed at, whether it exists or not, so that the answer and its time tell nothing of that. A call during a block fails with
 * GuessesThrottled and counts for nothing; a right guess starts the count again.
 *
 * Where anybody may guess, each client has a count of its own, so that a stranger's wrong guesses do not keep the owner out: by device,
 * when the caller sends the token that an earlier right guess was answered with, else by network. The guesses of all clients that were
 * never right before are counted together besides, and a hundred in a row close the way to these; who was right before still comes in.
 *
 * Guesses are counted outside of the command's transaction: a rollback forgets nothing.
 */
export function guessLimit({ guessing, guesses, key, report }: GuessLimitParts): Middleware {
  const target = guessTargets(key);
  const device = devices(key);

  /** The client by its device, else by its network. */
  function clientOf(call: Call, account: Buffer): { readonly client: Buffer; readonly deviceId: Buffer | undefined } {
    const deviceId = device.read(account, call.headerValue(DEVICE_HEADER), call.receivedAt);
    const client = deviceId ? target('device', deviceId.toString('hex')) : target('network', networkOf(call.origin.peer));
    return { client, deviceId };
  }

  function guess(next: Next, call: Call, counts: Pick<Guess<never>, 'counts' | 'alsoEnds'>, { reasons }: Limit): Promise<Answer> {
    return guessing({
      call,
      ...counts,
      make: () => next(call),
      judge: (end) => {
        if ('error' in end) return end.error instanceof DomainError && reasons.has(end.error.reason) ? 'wrong' : 'unknown';
        // An answer of before says nothing of the secret as it is now.
        const { commandId = call.id } = end.answer;
        return commandId === call.id ? 'right' : 'unknown';
      },
    });
  }

  const inPublic =
    (limit: Limit): Around =>
    (next) =>
    async (call) => {
      const account = limit.account(call);
      const { client, deviceId } = clientOf(call, account);
      const own: Count = { target: target('client', account.toString('hex'), client.toString('hex')), free: FREE, account };
      const isKnown = deviceId !== undefined || (await guesses.knows(account, client));
      const ofStrangers: Count = { target: account, free: MOST_GUESSES - 1 };
      const counts = isKnown ? { counts: [own], alsoEnds: [ofStrangers] } : { counts: [own, ofStrangers] };
      const answer = await guess(next, call, counts, limit);
      if (!deviceId) await guesses.remember(account, client).catch(report);
      answer.setHeader(DEVICE_HEADER, device.issue(account, call.receivedAt, deviceId));
      return answer;
    };

  const ofCaller =
    (limit: Limit): Around =>
    (next) =>
    (call) => {
      // Who need not show a secret does not guess at one, and does not end the count of those who do.
      if (!bringsSecret(call.method.input, call.request)) return next(call);
      return guess(next, call, { counts: [{ target: limit.account(call), free: FREE }] }, limit);
    };

  return busMiddleware(
    'guess limit',
    (method) => {
      const limit = limitFor(method, target);
      return limit && (limit.isPublic ? inPublic(limit) : ofCaller(limit));
    },
    NEEDS,
  );
}

function limitFor(method: DescMethod, target: ReturnType<typeof guessTargets>): Limit | undefined {
  const limit = guessLimitOf(method);
  const field = method.input.fields.find(({ name }) => name === limit?.target)?.localName;
  if (!limit || field === undefined) return undefined;
  const secret = limit.secret || methodName(method);
  return {
    account: ({ request }) => target(secret, String((request as unknown as Record<string, unknown>)[field])),
    reasons: new Set(limit.reasons),
    isPublic: accessRule(method)?.anonymous ?? false,
  };
}
