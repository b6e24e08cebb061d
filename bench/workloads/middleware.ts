import { randomUUIDv7 } from 'node:crypto';
import { create, type DescMethodUnary, type DescService, type MessageInitShape } from '@bufbuild/protobuf';
import { createContextValues } from '@connectrpc/connect';
import { ok } from 'neverthrow';
import { pino } from 'pino';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { createAuthority, NO_SESSIONS } from '../../src/kernel/auth/authority.ts';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { createKeyRing } from '../../src/kernel/auth/key-ring.ts';
import { createTokenVerifier } from '../../src/kernel/auth/token-verifier.ts';
import { createBus, type Route } from '../../src/kernel/bus/bus.ts';
import { Call } from '../../src/kernel/bus/call.ts';
import { CallGauge } from '../../src/kernel/bus/call-gauge.ts';
import { principalKey } from '../../src/kernel/bus/context-keys.ts';
import type { Middleware } from '../../src/kernel/bus/middleware.ts';
import { busModule } from '../../src/kernel/bus/module.ts';
import { createConsistencyTokens } from '../../src/kernel/consistency/token.ts';
import { memoryRates } from '../../src/kernel/database/limits/rates.ts';
import { LogPositions } from '../../src/kernel/database/read/log-positions.ts';
import { createPipelines } from '../../src/kernel/middleware/pipeline.ts';
import { validation } from '../../src/kernel/middleware/validation.ts';
import { CallMetrics } from '../../src/kernel/telemetry/metrics/call-metrics.ts';
import { createInstruments } from '../../src/kernel/telemetry/metrics/instruments.ts';
import { SlowestCalls } from '../../src/kernel/telemetry/metrics/slowest-calls.ts';
import { permissionsOf } from '../../test/support/roles.ts';
import type { Bench } from '../bench.ts';
import { userId } from '../data/user-numbers.ts';
import { quantile } from '../statistics.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

/** What others stand on cannot be left out alone. */
const NEEDED = new Set(['recording', 'unit of work']);

const IN_FLIGHT = 64;
const CALLS = 20_000;

/** One way through the bus: all of the middleware, or all but one. */
interface Variant {
  readonly left: string | undefined;
  readonly dispatch: Route['dispatch'];
  readonly newCall: () => Call;
}

export const middleware: Workload = {
  name: 'middleware',
  about: 'what a call of the bus costs without one middleware, in this process, with nothing behind it: no wire, no database',
  run: async (bench): Promise<Findings> => {
    const values = new Values();
    const getUser = await variantsOf(bench, QueryService.method.getUser, { userId: userId(1) });
    const changeName = await variantsOf(bench, CommandService.method.changeName, { userId: userId(1), name: 'Name' });
    for (const [measure, variants] of [['GetUser µs', getUser] as const, ['ChangeName µs', changeName] as const]) {
      for (const variant of variants) await time(variant);
      for (let round = 1; round <= bench.settings.rounds; round += 1) {
        bench.say(`round ${round} of ${bench.settings.rounds}: ${measure}`);
        const times = new Map<string, number>();
        for (const variant of variants) times.set(variant.left ?? '', await time(variant));
        const all = times.get('') ?? Number.NaN;
        values.keep('all of it', measure, all);
        for (const [left, micros] of times) if (left !== '') values.keep(left, measure, all - micros);
      }
    }
    return { measures: values.measures(), ratios: [], problems: [] };
  },
};

async function variantsOf<M extends DescMethodUnary>(
  bench: Bench,
  method: M,
  request: MessageInitShape<M['input']>,
): Promise<Variant[]> {
  const names = (await pipeline(bench, method.parent)).map(({ name }) => name);
  const authorization = await bench.authorization();
  return await Promise.all(
    [undefined, ...names.filter((name) => !NEEDED.has(name))].map(async (left) => {
      const kept = (await pipeline(bench, method.parent)).filter(({ name }) => name !== left);
      const principal = { id: 'operator', roles: ['admin'], permissions: permissionsOf(['admin']), session: '' };
      const newCall = (): Call => {
        const contextValues = createContextValues();
        if (left === 'authentication') contextValues.set(principalKey, principal);
        return new Call({
          method,
          request: create(method.input, request),
          origin: { door: 'grpc', peer: '127.0.0.1:1', deadline: undefined, requestMethod: 'POST' },
          header: () => new Headers({ authorization }),
          readHeader: (name) => (name === 'authorization' ? authorization : undefined),
          contextValues,
        });
      };
      return { left, dispatch: dispatchOf(method, kept), newCall };
    }),
  );
}

/** The pipeline of the program, with the databases left out. */
async function pipeline(bench: Bench, service: DescService): Promise<readonly Middleware[]> {
  const key = await loadOrCreateSigningKey(bench.signingKeyFile);
  const database = { name: 'replica-1' } as never;
  const positions = new LogPositions('primary');
  const nothing = async (): Promise<undefined> => undefined;
  const committed = { systemIdentifier: 1n, timeline: 1, lsn: 1n, position: 1n };
  const work = { commit: async () => committed, write: nothing, rollback: nothing, target: undefined };
  const pipelines = createPipelines({
    tracer: undefined,
    logger: pino({ base: null }, pino.destination({ dest: '/dev/null', sync: false, minLength: 4096 })),
    calls: new CallMetrics(createInstruments(), new SlowestCalls()),
    unexpected: { newId: randomUUIDv7, report: ({ error }) => console.error(error) },
    authority: createAuthority({
      tokens: createTokenVerifier({ keys: [key], roles: { permissionsOf }, foreign: undefined, now: Date.now }),
      sessions: NO_SESSIONS,
      now: Date.now,
    }),
    validation: validation(),
    recorder: { record: nothing },
    refusals: { admit: () => true },
    idempotency: {} as never,
    tokens: createConsistencyTokens(createKeyRing(key)),
    writes: { unitOfWork: () => work as never },
    reads: { primary: database, candidates: () => [database], monitor: { staleness: () => 0, positions } as never },
    inFlight: { commands: new CallGauge(1000), queries: new CallGauge(1000), streams: new CallGauge(1000) },
    rates: { counters: memoryRates, overrides: new Map() },
    guesses: { guessing: undefined as never, guesses: undefined as never, key: Buffer.alloc(32), report: () => {} },
  });
  return service === CommandService ? pipelines.command : pipelines.query;
}

function dispatchOf(method: DescMethodUnary, middleware: readonly Middleware[]): Route['dispatch'] {
  const handlers = method.parent.methods.map((each) => [each.localName, { method: each, handle: async () => ok({}) }]);
  const module = busModule<object, object>({
    name: 'users',
    services: [{ service: method.parent, handlers: Object.fromEntries(handlers) }],
    commandContext: () => ({}),
    queryContext: () => ({}),
  });
  const route = createBus([module], { command: middleware, query: middleware }).get(`${method.parent.typeName}/${method.name}`);
  if (!route) throw new Error(`${method.name} has no route`);
  return route.dispatch;
}

/** Processor time of a call in microseconds: the median of ten parts, because a collection of garbage falls into some of them. */
async function time({ dispatch, newCall }: Variant): Promise<number> {
  const parts: number[] = [];
  for (let part = 0; part < 10; part += 1) {
    const before = process.cpuUsage();
    for (let done = 0; done < CALLS / 10; done += IN_FLIGHT) {
      await Promise.all(Array.from({ length: IN_FLIGHT }, () => dispatch(newCall())));
    }
    const { user, system } = process.cpuUsage(before);
    parts.push((user + system) / (Math.ceil(CALLS / 10 / IN_FLIGHT) * IN_FLIGHT));
  }
  return quantile(
    parts.sort((one, other) => one - other),
    0.5,
  );
}
