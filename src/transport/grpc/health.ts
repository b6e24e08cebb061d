import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';

/** The standard health service (grpc.health.v1): `''` is the whole server, every other name one service. */
export class Health {
  readonly #implementation: HealthImplementation;

  /** All begin as not serving. */
  constructor(server: Pick<Server, 'addService'>, services: readonly string[]) {
    this.#implementation = new HealthImplementation();
    for (const name of ['', ...services]) this.setServing(name, false);
    this.#implementation.addToServer(server as never);
  }

  setServing(name: string, serving: boolean): void {
    this.#implementation.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }
}
