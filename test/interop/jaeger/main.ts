/**
 * `npm run interop:jaeger`: one CreateUser and one ListUsers of a traced client, against a service that this starts, looked up in a real
 * Jaeger by its query API. Each has to be one connected trace. Prints both, and ends with 1 when something is wrong with one, with 2 when
 * it could not be tried because Go is missing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { eventually } from '../../support/eventually.ts';
import { startService } from '../../support/service.ts';
import { startTracedClient } from '../../support/traced-client.ts';
import { problemsOfCreateUser, problemsOfListUsers, type SeenSpan, treeOf } from '../../support/traces.ts';
import { builtJaeger, GoMissing, type Jaeger, startJaeger } from './jaeger.ts';

const tell = (line: string): void => console.log(line);

async function tryOut(): Promise<void> {
  const program = await builtJaeger(tell);
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'bicameral-jaeger-'));
  resources.defer(() => rm(folder, { recursive: true }));
  const jaeger = resources.use(await startJaeger(program, folder));
  const service = resources.use(
    await startService({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.endpoint, OTEL_BSP_SCHEDULE_DELAY: '20' } }),
  );
  const traced = await startTracedClient(service.grpcAddress, jaeger);
  resources.defer(traced.close);

  await traced.client(CommandService).createUser({
    email: 'ada@example.org',
    name: 'Ada Lovelace',
    password: 'seven green lamps hum',
  });
  await traced.client(QueryService, await service.adminToken()).listUsers({});
  await check(jaeger, 'users.v1.CommandService/CreateUser', problemsOfCreateUser);
  await check(jaeger, 'users.v1.QueryService/ListUsers', problemsOfListUsers);
}

/** Spans come one after the other: a trace is wrong when it stays so. */
async function check(jaeger: Jaeger, operation: string, problemsOf: (spans: readonly SeenSpan[]) => string[]): Promise<void> {
  let spans: readonly SeenSpan[] = [];
  let problems: string[] = [];
  await eventually(async () => {
    const [traceId = ''] = await jaeger.find('client', operation);
    spans = traceId ? await jaeger.trace(traceId) : [];
    problems = problemsOf(spans);
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }).catch(() => undefined);
  tell(`\n${treeOf(spans, line).join('\n')}`);
  if (problems.length === 0) return;
  process.exitCode = 1;
  tell(`\n${operation}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}

/** In the order in which an operator reads: what, how long, and what it says of itself. */
function line({ service, kind, name, durationUs, failed, attributes }: SeenSpan): string {
  const told = [
    'rpc.status_code',
    'cqrs.outcome',
    'cqrs.attempt',
    'cqrs.served_by',
    'db.client.connection.pool.name',
    'error.type',
  ];
  const about = told.flatMap((key) => (attributes[key] === undefined ? [] : [String(attributes[key])]));
  return `${name}  ${(durationUs / 1000).toFixed(1)} ms  [${[service, kind, ...about].join(', ')}]${failed ? '  ERROR' : ''}`;
}

try {
  await tryOut();
} catch (error) {
  if (!(error instanceof GoMissing)) throw error;
  tell(`interop:jaeger skipped: ${error.message}`);
  process.exitCode = 2;
}
process.exit();
