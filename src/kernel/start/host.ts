import type { Registry } from '@bufbuild/protobuf';
import { type ContextValues, createClient, createContextValues, type Transport } from '@connectrpc/connect';
import type { Logger } from 'pino';
import type { KeyRing } from '../auth/key-ring.ts';
import type { Keys } from '../auth/open-keys.ts';
import type { Roles } from '../auth/roles.ts';
import type { SecretHasher } from '../auth/secret-hasher.ts';
import type { Sweeps } from '../background/sweeps.ts';
import type { Bus } from '../bus/bus.ts';
import { principalKey } from '../bus/context-keys.ts';
import { createPageTokens, type PageTokens } from '../bus/page-token.ts';
import type { Principal } from '../bus/principal.ts';
import { createRerun } from '../command-log/rerun/rerun.ts';
import { pruneLog } from '../command-log/seals/prune.ts';
import { createVerifications } from '../command-log/seals/verify/verifications.ts';
import { guessTargets } from '../database/limits/guesses.ts';
import type { MarkWatch } from '../database/mark-holder.ts';
import type { ConnectionPool } from '../database/pool.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import { inProcessTransport } from '../doors/in-process.ts';
import type { FeedNews } from '../feed/news.ts';
import type { ModuleHost } from '../module.ts';
import type { Stops } from './stops.ts';

/** What modules are started with, made of what the kernel has opened. */
export function moduleHost(parts: {
  service: string;
  logger: Logger;
  keys: Pick<Keys, 'ring' | 'digestKey'>;
  secrets: SecretHasher;
  reads: ReadSide;
  heldUpBy: MarkWatch['holder'];
  writePool: Pick<ConnectionPool, 'query'>;
  eventTypes: Registry;
  news: FeedNews;
  projections: ModuleHost['projections'];
  /** Asked when it is called: the bus is made after its modules. */
  bus: () => Bus;
  roles: Roles;
  /** Everything that can be permitted. */
  permissions: readonly string[];
  onDamage: () => void;
  stops: Stops;
}): { readonly host: ModuleHost; readonly sweeps: Sweeps } {
  const { roles, permissions } = parts;
  const principal = { id: `service ${parts.service}`, roles: [], permissions: new Set(permissions), session: '' };
  const { service, logger, keys, secrets, reads, heldUpBy, writePool, eventTypes, projections, news, bus, onDamage, stops } =
    parts;
  const { ring, digestKey } = keys;
  const sweeps: Record<string, () => Promise<unknown>> = {};
  const host: ModuleHost = {
    service,
    roles: Object.keys(roles.permissions),
    logger,
    now: Date.now,
    keys: { ring, digestKey, pageTokens: pageTokensOf(ring) },
    secrets,
    guessTarget: guessTargets(digestKey('guesses')),
    databases: { primary: reads.primary, watching: reads.watching, states: reads.states },
    projections,
    eventTypes,
    news,
    log: {
      verify: createVerifications({ primary: reads.primary.pool, keys: ring.all, onDamage }),
      prune: (query, range) => pruneLog(query, { ...range, key: ring.current }),
      route: (method) => bus().get(method),
      rerun: createRerun({
        roles,
        report: (error, commandId) => logger.warn({ err: error, command_id: commandId }, 'a replayed command failed'),
      }),
      heldUpBy,
    },
    sweep: (name, sweep) => {
      sweeps[name] = () => sweep(writePool);
    },
    ask: (service) => createClient(service, asService(inProcessTransport(lateBus(bus)), principal)),
    onStop: stops.briefly,
  };
  return { host, sweeps };
}

/** The bus is made after the modules whose parts ask it. */
const lateBus = (bus: () => Bus): Pick<Bus, 'get'> => ({ get: (name) => bus().get(name) });

/** Every call is one of this service itself, whoever it is made for. */
function asService(transport: Transport, principal: Principal): Transport {
  const asked = (values = createContextValues()): ContextValues => values.set(principalKey, principal);
  return {
    unary: (method, signal, timeoutMs, header, input, values) =>
      transport.unary(method, signal, timeoutMs, header, input, asked(values)),
    stream: (method, signal, timeoutMs, header, input, values) =>
      transport.stream(method, signal, timeoutMs, header, input, asked(values)),
  };
}

/** Page tokens are made with the current key, and those of the others are read. */
function pageTokensOf({ current, active }: KeyRing): PageTokens {
  const others = active.filter((key) => key !== current);
  return createPageTokens(
    current.deriveKey('page tokens'),
    others.map(({ deriveKey }) => deriveKey('page tokens')),
  );
}
