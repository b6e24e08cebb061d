import type { CompiledQuery } from 'kysely';
import type { SeenEvent } from '../../../src/kernel/cache/look.ts';
import type { News, Rows } from '../../../src/kernel/feed/tail.ts';

/** What a look tells; what is left out is as in a database that stands still. */
export interface Told {
  readonly state?: string;
  readonly standby?: boolean;
  readonly lsn?: string;
  readonly oldest?: number;
  readonly next?: number;
  readonly last?: number;
  readonly checkpoints?: Readonly<Record<string, number>>;
  readonly numbered?: readonly (readonly [sequence: number, ...SeenEvent])[];
  readonly unnumbered?: readonly SeenEvent[];
}

/** A database whose looks end when the test says, with what the test says. */
export class FakeDatabase implements Rows, News {
  lastSequence = 0;
  readonly #wakes = new Set<() => void>();
  #asked = Promise.withResolvers<PromiseWithResolvers<unknown[]>>();

  readonly onNews = (wake: () => void): (() => void) => {
    this.#wakes.add(wake);
    return () => this.#wakes.delete(wake);
  };

  readonly rows = async <Row>(_: CompiledQuery<Row>): Promise<Row[]> => {
    const answer = Promise.withResolvers<unknown[]>();
    this.#asked.resolve(answer);
    return (await answer.promise) as Row[];
  };

  /** Has the next look tell something, or fail. Resolves when that was heard. */
  async tell(told: Told | Error): Promise<void> {
    for (const wake of [...this.#wakes]) wake();
    const answer = await this.#asked.promise;
    this.#asked = Promise.withResolvers();
    if (told instanceof Error) answer.reject(told);
    else {
      const { standby = true, lsn = '0/1000', oldest = 10, next = 10, last = 0, checkpoints = {} } = told;
      const { state = 'as it was', numbered = [], unnumbered = [] } = told;
      const row = { state, standby, lsn, timeline: '1', checkpoints, numbered, unnumbered };
      answer.resolve([{ ...row, oldest: String(oldest), next: String(next), last: String(last) }]);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
