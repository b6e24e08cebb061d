import { availableParallelism } from 'node:os';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import { boundedQueue, type QueueLoad, type Turn } from '../background/bounded-queue.ts';

/** argon2id in the second of the equivalent settings of the OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const CURRENT = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** argon2id in the numbers of @node-rs/argon2, whose enum exists at compile time only. */
const ARGON2ID = 2;

export interface SecretMatch {
  readonly matches: boolean;
  /** The hash was made with weaker parameters than today's: hash the secret again. */
  readonly outdated: boolean;
}

/**
 * Hashes and compares what must not be fast to try out, such as passwords, in threads of their own. One process has one: modules and
 * idempotency keys share its queue. Work beyond the concurrency waits in a queue of bounded length: a call rejects with Overloaded when it
 * is full, and with the signal's reason when that aborts before its turn.
 */
export interface SecretHasher {
  /** Returns a PHC string with a new salt, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
  readonly hash: (secret: string | Uint8Array, signal?: AbortSignal) => Promise<string>;
  /** Rejects when `phc` is no PHC string of argon2. */
  readonly verify: (phc: string, secret: string, signal?: AbortSignal) => Promise<SecretMatch>;
  /** How many secrets are hashed and wait now, of all callers. */
  readonly load: () => QueueLoad;
  /** The same for one caller: callers take turns in the queue, so that none keeps the others out. */
  readonly forCaller: (caller: string) => SecretHasher;
}

export interface SecretHasherOptions {
  /** Processes on this machine that hash and share its cores; the defaults of the others are of their share. Default 1. */
  readonly processes?: number;
  /** Defaults to the cores, at most 4: the work runs in libuv's threads, of which there are 4 by default. */
  readonly concurrency?: number;
  readonly maxWaiting?: number;
  /** Is called for each piece of work, and runs it; `begun` is called when its turn has come. For traces. Default: runs it. */
  readonly watch?: <T>(work: (begun: () => void) => Promise<T>) => Promise<T>;
}

export function createSecretHasher(options: SecretHasherOptions = {}): SecretHasher {
  const { processes = 1 } = options;
  const share = (ofAll: number): number => Math.max(1, Math.floor(ofAll / processes));
  const { concurrency = Math.min(4, share(availableParallelism())), maxWaiting = share(64) } = options;
  const { watch = (work) => work(() => {}) } = options;
  const queue = boundedQueue({ resource: 'password hashing', concurrency, maxWaiting });
  const inTurn = <T>(work: () => Promise<T>, turn: Turn): Promise<T> =>
    watch((begun) =>
      queue(() => {
        begun();
        return work();
      }, turn),
    );
  const forCaller = (caller: string): SecretHasher => ({
    hash: (secret, signal) => inTurn(() => hash(secret, CURRENT), { caller, signal }),
    verify: (phc, secret, signal) =>
      inTurn(async () => ({ matches: await verify(phc, secret), outdated: isOutdated(phc) }), { caller, signal }),
    load: queue.load,
    forCaller,
  });
  return forCaller('');
}

function isOutdated(phc: string): boolean {
  const { algorithm, memoryCost, timeCost } = parseOptions(phc);
  return algorithm !== ARGON2ID || memoryCost < CURRENT.memoryCost || timeCost < CURRENT.timeCost;
}
