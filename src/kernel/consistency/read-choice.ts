import type { Call } from '../bus/call.ts';
import type { ReadPool, ReadSide } from '../database/read/read-side.ts';
import { ConsistencyStateLost } from './errors.ts';
import type { ConsistencyToken, TokenState } from './token.ts';
import type { Wish } from './wish.ts';

/** How long a query waits for a look at the databases, in milliseconds. */
const LOOK_PATIENCE = 100;

/** How a query with a token came to its database: a replica had it, or had it after a wait, or none had it. */
export type TokenOutcome = (typeof TOKEN_OUTCOMES)[number];
export const TOKEN_OUTCOMES = ['known', 'waited', 'primary'] as const;

/** The databases to ask for an answer that is as fresh as its caller wants, best first, the primary last. */
export class ReadChoice {
  readonly #reads: Pick<ReadSide, 'primary' | 'candidates' | 'monitor'>;
  readonly #report: (outcome: TokenOutcome) => void;

  constructor(reads: Pick<ReadSide, 'primary' | 'candidates' | 'monitor'>, report: (outcome: TokenOutcome) => void) {
    this.#reads = reads;
    this.#report = report;
  }

  /** Rejects with ConsistencyStateLost, and when the call is canceled that waits. */
  async of({ isStrong, most, token }: Wish, call: Call): Promise<readonly ReadPool[]> {
    const { primary, candidates, monitor } = this.#reads;
    const isLost = (seen: TokenState): boolean => monitor.positions.standing(primary.name, seen) === 'lost';
    if (token && (isLost(token) || token.earlier?.some(isLost))) throw new ConsistencyStateLost();
    const all = isStrong ? [primary] : candidates();
    if (all.length === 1) return all;
    const fresh = most === undefined ? all : await this.#freshEnough(most, call);
    return token ? await this.#having(token, fresh, call) : fresh;
  }

  /** Looks at the databases anew, after one did not have what it was known to have: it is another server. */
  async anew(wish: Wish, call: Call): Promise<readonly ReadPool[]> {
    const { primary, monitor } = this.#reads;
    const isSeen = await within(2 * LOOK_PATIENCE, call, monitor.refresh());
    // What the token tells of was there before this look, so a primary that does not have it lost it. A look that is not over tells nothing.
    const isBehind = isSeen && wish.token && monitor.positions.standing(primary.name, wish.token) === 'not yet';
    if (isBehind && monitor.isHealthy(primary.name)) throw new ConsistencyStateLost();
    return await this.of(wish, call);
  }

  /** What is not known to be as fresh is looked at once more, for all queries that want it together. */
  async #freshEnough(most: number, call: Call): Promise<readonly ReadPool[]> {
    const { candidates, monitor } = this.#reads;
    const fresh = (): readonly ReadPool[] => candidates().filter(({ name }) => monitor.staleness(name) <= most);
    const known = fresh();
    if (known.length > 1 || most === 0) return known;
    await within(LOOK_PATIENCE, call, monitor.refresh());
    return fresh();
  }

  async #having(token: ConsistencyToken, fresh: readonly ReadPool[], call: Call): Promise<readonly ReadPool[]> {
    const { primary, monitor } = this.#reads;
    const has = ({ name }: ReadPool): boolean => monitor.positions.standing(name, token) === 'has it';
    const known = fresh.filter((one) => one === primary || has(one));
    if (known.length > 1) {
      this.#report('known');
      return known;
    }
    const [freshest] = fresh;
    const isThere = await freshest?.replay?.has(token, call.cancellation);
    this.#report(isThere ? 'waited' : 'primary');
    return isThere && freshest ? [freshest, primary] : [primary];
  }
}

/** Resolves with whether the promise was fulfilled before the time was over. Rejects when the call is canceled. */
function within(ms: number, { cancellation }: Call, promise: Promise<unknown>): Promise<boolean> {
  const { promise: done, resolve, reject } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, ms, false);
  const forget = cancellation.onCancel(reject);
  promise.then(
    () => resolve(true),
    () => resolve(false),
  );
  return done.finally(() => {
    clearTimeout(timer);
    forget();
  });
}
