import { createHmac } from 'node:crypto';
import { clone, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { Answer } from '../bus/answer.ts';
import type { Call } from '../bus/call.ts';
import { principalOf } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { Conflict, DomainError, domainError, type FieldViolation } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { networkOf } from '../bus/network.ts';
import { bringsSecret, clearSecrets, holdsSecrets } from '../bus/redaction.ts';
import { Turns } from '../bus/turns.ts';
import { commandAttemptKey } from '../command-log/command-attempt.ts';
import type { AnswerTokens } from '../consistency/answer-tokens.ts';
import type { guessTargets } from '../database/limits/guesses.ts';
import type { Guessing } from '../database/limits/guessing.ts';
import {
  type Claim,
  type EarlierAnswer,
  IdempotencyKeyReused,
  type IdempotencyKeys,
} from '../database/write/idempotency-keys.ts';
import { KeyClaimedMeanwhile } from '../database/write/unit-of-work.ts';
import { beginSpan } from '../telemetry/spans.ts';

export const KEY_HEADER = 'idempotency-key';
export const REPLAYED_HEADER = 'cqrs-replayed';

const NEEDS: readonly Need[] = [
  { name: 'recording', because: 'an answer that is given again is recorded as such' },
  { name: 'authorization', because: 'a key belongs to a caller, and reveals an answer' },
];

const RULE = `the header ${KEY_HEADER} has to be 1 to 255 visible ASCII characters, bare or as a quoted string`;

export class IdempotencyKeyInvalid extends domainError(ReasonSchema, Reason.IDEMPOTENCY_KEY_INVALID) {
  override readonly violations: readonly FieldViolation[] = [{ field: '', description: RULE }];
  constructor() {
    super(RULE);
  }
}

export class IdempotencyKeyRefused extends domainError(ReasonSchema, Reason.IDEMPOTENCY_KEY_REFUSED) {
  override readonly violations: readonly FieldViolation[] = [
    { field: '', description: `this rpc returns a secret and takes no ${KEY_HEADER}` },
  ];
  constructor() {
    super(`this rpc returns a secret, which is never stored: send the command without ${KEY_HEADER}`);
  }
}

export interface IdempotencyParts {
  readonly keys: Pick<IdempotencyKeys, 'find'>;
  /** Of 32 bytes, the same on every instance. */
  readonly fingerprintKey: Buffer;
  /** What version 0.1 made fingerprints with, which an upgrade must not forget: derived from each signing key. */
  readonly fingerprintKeys01: readonly Buffer[];
  /** Hashes slowly, as passwords are. */
  readonly secrets: { readonly forCaller: (network: string) => SecretHash };
  readonly guessing: Guessing;
  readonly guessTarget: ReturnType<typeof guessTargets>;
  readonly tokens?: AnswerTokens | undefined;
}

/** A slow hash for secrets: what is stored of them must not be fast to try out. */
export interface SecretHash {
  readonly hash: (secret: string, signal: AbortSignal) => Promise<string>;
  readonly verify: (hash: string, secret: string, signal: AbortSignal) => Promise<{ readonly matches: boolean }>;
}

/**
 * Lets a command with an `idempotency-key` happen once: who sends it again, over any door and to any instance, gets the same answer,
 * marked `cqrs-replayed`. The key is scoped by caller and method, that of an anonymous caller by the request besides, and bound to the
 * request. A command that fails does not use it up.
 *
 * Whether two requests are the same is told by a fast digest that leaves secrets out (`debug_redact` in the contract), and, where there
 * are any, by a slow hash. A request that differs in its secrets alone is a guess at them, and such guesses are counted.
 *
 * The unit of work looks for the key together with what its transaction reads first, so that the look costs no exchange of its own. Before a
 * secret is hashed, the key is looked for here.
 *
 * The key is stored by the command's own transaction, and its primary key is what makes sure: of commands that run at once on several
 * instances one commits, and the others, whatever they ended with, find its answer when they look again. On one instance they wait
 * for each other in the first place.
 */
export function idempotency({
  keys,
  fingerprintKey,
  fingerprintKeys01,
  secrets,
  guessing,
  guessTarget,
  tokens,
}: IdempotencyParts): Middleware {
  const turns = new Turns();
  const hasher = (call: Call): SecretHash => secrets.forCaller(networkOf(call.origin.peer));

  function claimOf(call: Call, key: string): Claim {
    const method = methodName(call.method);
    const request = clone(call.method.input, call.request);
    clearSecrets(call.method.input, request);
    const bytes = toBinary(call.method.input, request);
    const digest = (secretKey: Buffer): Buffer => createHmac('sha256', secretKey).update(`${method}\0`).update(bytes).digest();
    const fingerprint = digest(fingerprintKey);
    const principal = principalOf(call).id;
    // No key has a blank in it, so that no key of anybody is one of these.
    return {
      principal,
      method,
      key: principal === '' ? `${key} ${fingerprint.toString('base64url')}` : key,
      fingerprint,
      // Those with a secret in them were fast to try out, and are not compared any more.
      fingerprints01: () => (bringsSecret(call.method.input, call.request) ? [] : fingerprintKeys01.map(digest)),
    };
  }

  /** The earlier answer, when the request is the one that it was the answer to. */
  async function confirmed(call: Call, claim: Claim, earlier: EarlierAnswer): Promise<EarlierAnswer> {
    const { secret } = earlier;
    if (secret === undefined) return earlier;
    const target = guessTarget('idempotency key', claim.principal, claim.method, claim.key);
    await guessing({
      call,
      counts: [{ target, free: FREE_GUESSES }],
      make: async () => {
        const { matches } = await hasher(call).verify(secret, textOf(call), call.signal);
        if (!matches) throw new IdempotencyKeyReused();
      },
      judge: (end) => {
        if ('answer' in end) return 'right';
        return end.error instanceof IdempotencyKeyReused ? 'wrong' : 'unknown';
      },
    });
    return earlier;
  }

  async function find(call: Call, claim: Claim): Promise<EarlierAnswer | undefined> {
    const earlier = await keys.find(claim, call.cancellation);
    return earlier && (await confirmed(call, claim, earlier));
  }

  const around =
    (tellsSecrets: boolean): Around =>
    (next) =>
    async (call) => {
      const header = call.headerValue(KEY_HEADER);
      if (header === undefined) return await next(call);
      const key = idempotencyKey(header);
      if (key === undefined) throw new IdempotencyKeyInvalid();
      if (tellsSecrets) throw new IdempotencyKeyRefused();
      const attempt = call.contextValues.get(commandAttemptKey);
      // What is only tried happens any number of times.
      if (attempt?.dryRun) return await next(call);

      const claim = claimOf(call, key);
      const name = `${claim.principal}\0${claim.method}\0${claim.key}`;
      const waiting = turns.isTaken(name) ? beginSpan('wait for the idempotency key') : undefined;
      return await turns.take(name, async () => {
        waiting?.end();
        if (call.cancellation.reason) throw call.cancellation.reason;
        const isSecret = bringsSecret(call.method.input, call.request);
        const earlier = isSecret ? await find(call, claim) : undefined;
        if (earlier) return answerAgain(call, earlier, tokens);
        attempt?.holdKey(isSecret ? { ...claim, secret: await hasher(call).hash(textOf(call), call.signal) } : claim);
        try {
          return await next(call);
        } catch (error) {
          const claimed = error instanceof KeyClaimedMeanwhile;
          const meanwhile = await find(call, claim).catch((refusal: unknown) => {
            throw claimed || (refusal instanceof DomainError && refusal.code !== Code.Unavailable) ? refusal : error;
          });
          // It was there a moment ago, and its time is over.
          if (!meanwhile) throw claimed ? new Conflict(error) : error;
          return answerAgain(call, meanwhile, tokens);
        }
      });
    };
  return busMiddleware('idempotency', ({ output }) => around(holdsSecrets(output)), NEEDS);
}

/** Wrong guesses in a row at the secrets of one request that cost no wait. */
const FREE_GUESSES = 5;

/** The whole request, secrets included, as what is hashed of it. */
const textOf = ({ method, request }: Call): string => Buffer.from(toBinary(method.input, request)).toString('base64');

/**
 * The key that a header means: the text itself, or what stands in quotes (a string of RFC 8941, 3.3.3, as the draft of the IETF has it).
 * Undefined when it is no key.
 */
export function idempotencyKey(header: string): string | undefined {
  const text = header.trim();
  const [, quoted] = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text) ?? [];
  const key = quoted === undefined ? text : quoted.replace(/\\(["\\])/g, '$1');
  // A quote in a bare key is what is left of a quoted one.
  if (quoted === undefined && key.includes('"')) return undefined;
  return /^[\x21-\x7e]{1,255}$/.test(key) ? key : undefined;
}

function answerAgain(call: Call, { commandId, response, state }: EarlierAnswer, tokens: AnswerTokens | undefined): Answer {
  const answer = new Answer(call.method, fromBinary(call.method.output, response)).recordedAs(commandId);
  // Our own commit, of which the connection broke before it was confirmed, is no replay.
  if (commandId !== call.id) answer.setHeader(REPLAYED_HEADER, 'true');
  tokens?.give(answer, state);
  return answer;
}
