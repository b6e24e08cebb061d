import type { Bus } from '../bus/bus.ts';
import { largestRequest } from '../bus/message-size.ts';

/** What is not of the bus (reflection, health, paths that nothing serves) takes no more. */
const OTHERS = 16 * 1024;

/** The largest request message of a path (`/package.Service/Method`), in bytes, compressed or not: see `largestRequest`. */
export class MessageLimits {
  readonly #byPath: ReadonlyMap<string, number>;
  /** The largest of all. */
  readonly most: number;

  constructor(bus: Bus, most?: number) {
    this.#byPath = new Map([...bus].map(([name, { method }]) => [`/${name}`, largestRequest(method, most)]));
    this.most = Math.max(OTHERS, ...this.#byPath.values());
  }

  of(path: string | undefined): number {
    return this.#byPath.get(path ?? '') ?? OTHERS;
  }
}
