import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { Health as HealthService, HealthCheckResponse_ServingStatus as ServingStatus } from '#gen/grpc/health/v1/health_pb.js';
import type { Rpc } from '../../bus/bus.ts';
import type { Call } from '../../bus/call.ts';
import { domainError, MalformedRequest } from '../../bus/errors.ts';
import type { Middleware } from '../../bus/middleware.ts';
import { ShuttingDown } from '../calls-in-flight.ts';
import { streamRpc, unaryRpc } from './standard-rpc.ts';

export class HealthUnknown extends domainError(ReasonSchema, Reason.HEALTH_UNKNOWN) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(service: string) {
    super('no such service');
    this.metadata = { service };
  }
}

/** What a watcher may name: a watch can stay open for days and keeps its request. */
const LONGEST_NAME = 255;

/**
 * The standard health service (grpc.health.v1): `''` is the whole server, every other name one service. All begin as not serving.
 *
 * A watcher is told what is so at first and then what changes, and nothing else. Watching a name that nobody serves is answered with
 * SERVICE_UNKNOWN and stays open, as the contract of the service has it. Only names that are served are kept.
 */
export class Health {
  readonly #serving: Map<string, boolean>;
  readonly #watchers = new Set<Watcher>();
  #isClosed = false;

  constructor(services: readonly string[]) {
    this.#serving = new Map(['', ...services].map((name) => [name, false]));
  }

  /** How many watch at this moment. */
  get watchers(): number {
    return this.#watchers.size;
  }

  rpcs(middleware: readonly Middleware[]): readonly Rpc[] {
    const { check, list, watch } = HealthService.method;
    return [
      unaryRpc(check, middleware, ({ service }) => {
        if (!this.#serving.has(service)) throw new HealthUnknown(service);
        return { status: this.#statusOf(service) };
      }),
      unaryRpc(list, middleware, () => ({
        statuses: Object.fromEntries([...this.#serving.keys()].map((name) => [name, { status: this.#statusOf(name) }])),
      })),
      streamRpc(watch, middleware, (call) => this.#watch(call)),
    ];
  }

  /** Throws for a name that was not given at the beginning. */
  setServing(name: string, serving: boolean): void {
    const before = this.#serving.get(name);
    if (before === undefined) throw new TypeError(`no service is called ${name}`);
    if (before === serving || this.#isClosed) return;
    this.#serving.set(name, serving);
    this.#wakeAll();
  }

  /** Nothing serves from now on: watchers are told so, and their streams end. */
  close(): void {
    this.#isClosed = true;
    for (const name of this.#serving.keys()) this.#serving.set(name, false);
    this.#wakeAll();
  }

  #statusOf(name: string): ServingStatus {
    const serving = this.#serving.get(name);
    if (serving === undefined) return ServingStatus.SERVICE_UNKNOWN;
    return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  #wakeAll(): void {
    for (const watcher of this.#watchers) watcher.wake();
  }

  async *#watch(call: Call): AsyncGenerator<{ status: ServingStatus }> {
    const { service } = call.request as unknown as { service: string };
    if (service.length > LONGEST_NAME)
      throw new MalformedRequest(undefined, `a service name has at most ${LONGEST_NAME} characters`);
    const watcher = new Watcher();
    this.#watchers.add(watcher);
    const forget = call.cancellation.onCancel(() => watcher.wake());
    try {
      for (let told: ServingStatus | undefined; !call.cancellation.reason; ) {
        const status = this.#statusOf(service);
        if (status !== told) {
          told = status;
          yield { status };
        } else {
          if (this.#isClosed) throw new ShuttingDown();
          await watcher.woken();
        }
      }
    } finally {
      forget();
      this.#watchers.delete(watcher);
    }
  }
}

/** A promise of its own for each: of one that all share, those that have left would hang on until it resolves. */
class Watcher {
  #resolve = (): void => {};

  woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  wake(): void {
    this.#resolve();
  }
}
