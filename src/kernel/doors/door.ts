import type { Bus, Rpc } from '../bus/bus.ts';
import type { UnexpectedErrors } from '../middleware/errors.ts';
import type { EdgeOptions } from './edge/edge.ts';
import type { OverloadOptions } from './overload.ts';
import type { TrustedProxies } from './proxies/trusted-proxies.ts';
import type { ServerTls } from './tls/server-tls.ts';

/** What every network door needs to know. */
export interface DoorOptions {
  readonly bus: Bus;
  /** Rpcs that are served beside the bus: health and reflection. */
  readonly standard?: readonly Rpc[] | undefined;
  /** For what fails outside of the bus; the errors middleware reports the rest. */
  readonly unexpected: UnexpectedErrors;
  /** Whose word is taken about where calls come from; without it, nobody's. */
  readonly proxies?: TrustedProxies | undefined;
  /** Whether the service answers under the host that a caller addresses; without it, under any. */
  readonly isAllowedHost?: ((authority: string) => boolean) | undefined;
  /** Without it the door speaks clear text. */
  readonly tls?: ServerTls | undefined;
  /** What callers are granted before there is a call: see Edge. */
  readonly edge?: Pick<EdgeOptions, 'limits' | 'unfinished' | 'report'> | undefined;
  /** Without it, calls are refused by the pipeline alone. */
  readonly overload?: OverloadOptions | undefined;
  /** Bounds the requests whose contract does not: see `largestRequest`. */
  readonly maxMessageBytes?: number | undefined;
}

/** A way into the bus from other processes. */
export interface Door {
  /** Opens `host:port` (port 0: any free one) and answers the port. Throws AddressInUse or AddressInvalid. */
  listen(address: string): Promise<number>;
  /** Refuses new calls, lets those in flight finish for `graceMs` milliseconds, then ends them with ShuttingDown. */
  close(options: { graceMs: number }): Promise<void>;
}
