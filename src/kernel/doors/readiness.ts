import type { DescService } from '@bufbuild/protobuf';
import { type Loop, loop } from '../background/loop.ts';
import { messageKind } from '../bus/convention.ts';
import type { HttpRoute } from './connect/http-route.ts';

/** How often the health services are told what the databases are like, in milliseconds. */
const INTERVAL = 250;

/** What serving depends on. */
export interface Dependencies {
  readonly primaryIsUp: () => boolean;
  readonly someDatabaseIsUp: () => boolean;
  /** By name, `primary` and `replica-N`. */
  readonly databases: () => Readonly<Record<string, boolean>>;
}

/**
 * Whether the program serves: commands while the primary is up, queries while any database is, neither before the start is over nor once
 * it is draining. Told to the gRPC health service by name and at /readyz.
 *
 * The whole is ready while any of it serves. A balancer that took all instances out when the primary is away would take the queries out
 * that a replica can answer; which service does not serve is told by name.
 */
export class Readiness {
  readonly #services: readonly DescService[];
  readonly #dependencies: Dependencies;
  readonly #tell: (name: string, serving: boolean) => void;
  #telling: Loop | undefined;
  #isStarted = false;
  #isDraining = false;

  constructor(parts: {
    services: readonly DescService[];
    dependencies: Dependencies;
    tell: (name: string, serving: boolean) => void;
  }) {
    this.#services = parts.services;
    this.#dependencies = parts.dependencies;
    this.#tell = parts.tell;
  }

  start(): void {
    this.#isStarted = true;
    this.#telling = loop({ name: 'readiness', every: INTERVAL, round: () => this.#update() });
  }

  /** From now on nothing is said to serve. */
  drain(): void {
    this.#isDraining = true;
    void this.#telling?.stop();
    this.#update();
  }

  /**
   * /healthz: the process answers; it asks no database, because a restart would not mend that. /readyz: calls can be served; it names
   * what each service and database is like.
   */
  routes(): readonly HttpRoute[] {
    return [
      { path: '/healthz', anyHost: true, handle: () => ({ status: 200, body: { status: 'ok' } }) },
      {
        path: '/readyz',
        anyHost: true,
        handle: () => {
          const services = Object.fromEntries(this.#services.map((service) => [service.typeName, this.#isServing(service)]));
          const isReady = this.#isReady();
          return {
            status: isReady ? 200 : 503,
            body: {
              status: isReady ? 'ready' : 'not ready',
              draining: this.#isDraining,
              services,
              databases: this.#dependencies.databases(),
            },
          };
        },
      },
    ];
  }

  #update(): void {
    this.#tell('', this.#isReady());
    for (const service of this.#services) this.#tell(service.typeName, this.#isServing(service));
  }

  #isReady(): boolean {
    return this.#services.some((service) => this.#isServing(service));
  }

  #isServing(service: DescService): boolean {
    if (!this.#isStarted || this.#isDraining) return false;
    return messageKind(service) === 'command' ? this.#dependencies.primaryIsUp() : this.#dependencies.someDatabaseIsUp();
  }
}
