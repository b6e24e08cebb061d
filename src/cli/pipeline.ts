import type { DescMethod } from '@bufbuild/protobuf';
import { pino } from 'pino';
import { type Bus, createBus, type Pipelines } from '../kernel/bus/bus.ts';
import { CallGauge } from '../kernel/bus/call-gauge.ts';
import type { CallKind } from '../kernel/bus/convention.ts';
import { declaredReads } from '../kernel/bus/query.ts';
import { cacheRuleOf } from '../kernel/cache/cache-rule.ts';
import { memoryRates, parseRates } from '../kernel/database/limits/rates.ts';
import { createPipelines, type PipelineParts } from '../kernel/middleware/pipeline.ts';
import { validation } from '../kernel/middleware/validation.ts';
import type { Application } from '../kernel/service.ts';
import type { Environment } from '../kernel/settings.ts';
import { eventTypesOf } from '../kernel/start/modules.ts';
import { alignedRows } from './aligned-rows.ts';
import { print } from './print.ts';
import { applicationOf, type ServiceProgram } from './program.ts';

/** The service has no rpc of that name. */
class RpcUnknown extends Error {
  constructor(name: string, known: readonly string[]) {
    super(`There is no rpc ${name}. There are:\n${known.map((one) => `  ${one}`).join('\n')}`);
    this.name = 'RpcUnknown';
  }
}

/** A middleware at its place in the pipeline of a kind of calls, with the rpcs whose calls pass it. */
interface Placed {
  readonly kind: CallKind;
  readonly name: string;
  readonly rpcs: readonly string[];
}

/** `bicameral pipeline [RPC]`: what calls pass on their way to a handler, outermost first. */
export async function printPipeline(
  program: ServiceProgram,
  { rpc, json = false, environment }: { rpc: string | undefined; json: boolean | undefined; environment: Environment },
): Promise<void> {
  const bus = busOf(await applicationOf(program), environment);
  if (rpc === undefined) {
    const placed = placedOf(bus);
    await print(json ? `${JSON.stringify(placed)}\n` : alignedRows()(placed.map((one) => [one.kind, one.name, whose(one, bus)])));
    return;
  }
  const route = bus.get(rpc);
  if (!route) throw new RpcUnknown(rpc, [...bus.keys()]);
  await print(json ? `${JSON.stringify(route.pipeline)}\n` : route.pipeline.map((name) => `${name}\n`).join(''));
}

/** The middleware that a service of the application would have, with nothing behind it. */
export function pipelinesOf({ middleware, modules }: Application, environment: Environment): Pipelines {
  const { RATE_LIMITS = '', QUERY_CACHE_MB } = environment;
  const rates = { counters: memoryRates, overrides: parseRates(RATE_LIMITS) ?? new Map() };
  const rules = { reads: declaredReads(modules), eventTypes: eventTypesOf(modules) };
  const cache = { ...NO_CACHE, ruleOf: (method: DescMethod) => cacheRuleOf(method, rules) };
  const kept = QUERY_CACHE_MB === '0' ? undefined : cache;
  return createPipelines({ ...NOTHING, validation: validation(), rates, cache: kept, middleware });
}

const NO_CACHE = { cache: {} as never, databases: {} as never, freshness: {} as never, report: () => () => {} };

function busOf(application: Application, environment: Environment): Bus {
  const { command, query } = pipelinesOf(application, environment);
  const modules = application.modules.map(({ name, services }) => ({ name, services, context: () => undefined }));
  return createBus(modules, { command, query });
}

function placedOf(bus: Bus): readonly Placed[] {
  return (['command', 'query', 'stream'] as const).flatMap((kind) => {
    const routes = [...bus].filter(([, route]) => route.kind === kind);
    const order = longestFirst(routes.map(([, { pipeline }]) => pipeline));
    return order.map((name) => ({
      kind,
      name,
      rpcs: routes.flatMap(([rpc, { pipeline }]) => (pipeline.includes(name) ? [rpc] : [])),
    }));
  });
}

/** One order of all names, of lists that leave some out. */
function longestFirst(lists: readonly (readonly string[])[]): readonly string[] {
  const order: string[] = [];
  for (const list of lists.toSorted((one, other) => other.length - one.length)) {
    let at = 0;
    for (const name of list) {
      const known = order.indexOf(name);
      if (known === -1) order.splice(at, 0, name);
      at = (known === -1 ? at : known) + 1;
    }
  }
  return order;
}

function whose({ kind, rpcs }: Placed, bus: Bus): string {
  const all = [...bus.values()].filter((route) => route.kind === kind).length;
  return rpcs.length === all ? 'every rpc' : rpcs.map((rpc) => rpc.slice(rpc.indexOf('/') + 1)).join(', ');
}

/** Nobody calls: only the names are asked for. */
const NOTHING: Omit<PipelineParts, 'validation' | 'rates' | 'middleware'> = {
  logger: pino({ level: 'fatal' }),
  tracer: undefined,
  calls: { ended: () => {} },
  unexpected: { newId: () => '', report: () => {} },
  authority: {} as never,
  recorder: {} as never,
  refusals: {} as never,
  idempotency: {} as never,
  tokens: {} as never,
  writes: {} as never,
  reads: {} as never,
  owners: () => async () => undefined,
  inFlight: { commands: new CallGauge(0), queries: new CallGauge(0), streams: new CallGauge(0) },
  guesses: { guessing: {} as never, guesses: {} as never, key: Buffer.alloc(32), report: () => {} },
};
