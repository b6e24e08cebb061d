import type { Bus, Rpc } from '../cqrs/bus.ts';
import type { UnexpectedErrors } from '../middleware/errors.ts';
import type { TlsFiles } from './tls-files.ts';

/** The largest message that is received, compressed or not: 4 MiB, the limit that gRPC clients expect. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** What every network door needs to know. */
export interface DoorOptions {
  readonly bus: Bus;
  /** Rpcs that are served beside the bus: health and reflection. */
  readonly standard?: readonly Rpc[] | undefined;
  /** For what fails outside of the bus; the errors middleware reports the rest. */
  readonly unexpected: UnexpectedErrors;
  /** Without it the door speaks clear text. */
  readonly tls?: TlsFiles | undefined;
  readonly maxMessageBytes?: number | undefined;
}

/** A way into the bus from other processes. */
export interface Door {
  /** Opens `host:port` (port 0: any free one) and answers the port. Throws AddressInUse or AddressInvalid. */
  listen(address: string): Promise<number>;
  /** Refuses new calls, lets those in flight finish for `graceMs` milliseconds, then ends them with ShuttingDown. */
  close(options: { graceMs: number }): Promise<void>;
}
