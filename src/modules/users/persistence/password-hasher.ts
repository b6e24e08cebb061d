import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash, parseOptions, verify } from '@node-rs/argon2';
import { normalizePassword } from '../domain/password-policy.ts';
import { boundedQueue, type QueueLoad, type Turn } from './bounded-queue.ts';

/** argon2id in the second of the equivalent settings of the OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const CURRENT = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** argon2id in the numbers of @node-rs/argon2, whose enum exists at compile time only. */
const ARGON2ID = 2;

export interface PasswordMatch {
  readonly matches: boolean;
  /** The hash was made with weaker parameters than today's: hash the password again. */
  readonly outdated: boolean;
}

/**
 * Hashes and compares passwords, normalized, in threads of their own. Work beyond the concurrency waits in a queue of bounded length:
 * a call rejects with Overloaded when it is full, and with the signal's reason when that aborts before its turn.
 */
export interface PasswordHasher {
  /** A PHC string with a new salt, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
  readonly hash: (password: string, signal?: AbortSignal) => Promise<string>;
  /** Rejects when `phc` is no PHC string of argon2. */
  readonly verify: (phc: string, password: string, signal?: AbortSignal) => Promise<PasswordMatch>;
  /** Takes as long as a wrong password does: for log-ins of users that do not exist. */
  readonly verifyNothing: (password: string, signal?: AbortSignal) => Promise<void>;
  /** How many passwords are hashed and wait now, of all callers. */
  readonly load: () => QueueLoad;
  /** The same for one caller: callers take turns in the queue, so that none keeps the others out. */
  readonly forCaller: (caller: string) => PasswordHasher;
}

export interface PasswordHasherOptions {
  /** Processes on this machine that hash and share its cores; the defaults of the others are of their share. Default 1. */
  readonly processes?: number;
  /** Defaults to the cores, at most 4: the work runs in libuv's threads, of which there are 4 by default. */
  readonly concurrency?: number;
  readonly maxWaiting?: number;
  /** Told of each piece of work, and runs it; `begun` is called when its turn has come. For traces. Default: runs it. */
  readonly watch?: <T>(work: (begun: () => void) => Promise<T>) => Promise<T>;
}

export async function createPasswordHasher(options: PasswordHasherOptions = {}): Promise<PasswordHasher> {
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
  const nobodys = await hash(randomBytes(32), CURRENT);
  const forCaller = (caller: string): PasswordHasher => ({
    hash: (password, signal) => inTurn(() => hash(normalizePassword(password), CURRENT), { caller, signal }),
    verify: (phc, password, signal) =>
      inTurn(async () => ({ matches: await verify(phc, normalizePassword(password)), outdated: isOutdated(phc) }), {
        caller,
        signal,
      }),
    verifyNothing: (password, signal) =>
      inTurn(
        async () => {
          await verify(nobodys, normalizePassword(password));
        },
        { caller, signal },
      ),
    load: queue.load,
    forCaller,
  });
  return forCaller('');
}

function isOutdated(phc: string): boolean {
  const { algorithm, memoryCost, timeCost } = parseOptions(phc);
  return algorithm !== ARGON2ID || memoryCost < CURRENT.memoryCost || timeCost < CURRENT.timeCost;
}
