import { setTimeout as sleep } from 'node:timers/promises';
import { toJsonString } from '@bufbuild/protobuf';
import { durationMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { type Client, Code, ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { QueryService } from '#gen/operations/v1/query_service_pb.js';
import { Reason } from '#gen/operations/v1/reasons_pb.js';
import { DifferenceKind, type Rebuild, RebuildSchema, RebuildState } from '#gen/operations/v1/rebuild_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { alignedRows } from '../aligned-rows.ts';
import { print } from '../print.ts';
import { createProgressBar } from '../progress-bar.ts';
import { type ServiceClient, serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';
import { counted, seconds } from '../units.ts';

/** What `bicameral projection rebuild` takes, as typed. */
export interface RebuildOptions extends TrustFiles {
  readonly verify?: boolean;
  readonly wait: boolean;
  readonly json?: boolean;
}

/** Between two looks at how far it is, in milliseconds. */
const LOOK = 500;
/** What a program ends with that was interrupted. */
const INTERRUPTED = 130;

/** `bicameral projection rebuild`: exits with 1 when it does not end well, or finds differences. */
export async function rebuildProjection(
  environment: Environment,
  { name, options }: { name: string; options: RebuildOptions },
): Promise<void> {
  const service = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    const rebuildId = await begun(service, { name, options });
    if (!options.wait) {
      await print(options.json ? `${JSON.stringify({ rebuildId })}\n` : `${name} is taken up as ${rebuildId}.\n`);
      return;
    }
    const ended = await waitedFor(service.client(QueryService), rebuildId);
    if (!ended) {
      process.exitCode = INTERRUPTED;
      process.stderr.write(`… goes on without being watched; \`bicameral projection cancel ${name}\` ends it\n`);
      return;
    }
    await print(options.json ? `${toJsonString(RebuildSchema, ended, { alwaysEmitImplicit: true })}\n` : told(ended));
    if (ended.state !== RebuildState.DONE || ended.differenceCount > 0n) process.exitCode = 1;
  } finally {
    service.close();
  }
}

/** `bicameral projection cancel` */
export async function cancelRebuild(
  environment: Environment,
  { name, options }: { name: string; options: TrustFiles & { json?: boolean } },
): Promise<void> {
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    const { rebuildId } = await client(CommandService).cancelRebuild({ projection: name });
    await print(
      options.json ? `${JSON.stringify({ rebuildId })}\n` : `${rebuildId} is canceled: the tables of ${name} stay as they are.\n`,
    );
  } finally {
    close();
  }
}

/** One that is under way already is watched, as after a Ctrl-C. */
async function begun(
  { client }: ServiceClient,
  { name, options: { verify = false, wait } }: { name: string; options: RebuildOptions },
): Promise<string> {
  try {
    const { rebuild } = await client(CommandService).rebuildProjection({ projection: name, verify });
    return rebuild?.rebuildId ?? '';
  } catch (error) {
    const underWay = wait && error instanceof ConnectError ? rebuildUnderWay(error) : undefined;
    if (underWay === undefined) throw error;
    process.stderr.write('… one is under way already: watching it\n');
    return underWay;
  }
}

const rebuildUnderWay = (error: ConnectError): string | undefined =>
  error.findDetails(ErrorInfoSchema).find(({ reason }) => reason === Reason[Reason.REBUILD_UNDER_WAY])?.metadata.rebuild_id;

/** As it ended; undefined when the waiting was interrupted. A service that goes away meanwhile is waited for. */
async function waitedFor(queries: Client<typeof QueryService>, rebuildId: string): Promise<Rebuild | undefined> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  const bar = createProgressBar('done');
  try {
    while (!interrupted.signal.aborted) {
      const rebuild = await seen(queries, rebuildId);
      if (rebuild && rebuild.state !== RebuildState.RUNNING) return rebuild;
      if (rebuild && rebuild.total > 0n) bar.update(Number(rebuild.done), Number(rebuild.total), detailOf(rebuild));
      await sleep(LOOK, undefined, { signal: interrupted.signal }).catch(() => {});
    }
    return undefined;
  } finally {
    bar.clear();
    process.off('SIGINT', interrupt);
  }
}

/** Undefined while the service is away. */
async function seen(queries: Client<typeof QueryService>, rebuildId: string): Promise<Rebuild | undefined> {
  try {
    return (await queries.getRebuild({ rebuildId }, { headers: { 'cqrs-consistency': 'strong' } })).rebuild;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.Unavailable) return undefined;
    throw error;
  }
}

function detailOf({ step, perSecond, timeLeft }: Rebuild): string {
  const rate = perSecond > 0 ? `, ${Math.round(perSecond).toLocaleString('en')}/s` : '';
  const left = timeLeft ? `, ${seconds(Math.round(durationMs(timeLeft) / 1000))} left` : '';
  return `${step === '' ? '' : `, ${step}`}${rate}${left}`;
}

function told(rebuild: Rebuild): string {
  const { projection, verify, state, done, error, differences, differenceCount, startedAt, finishedAt } = rebuild;
  const what = `${verify ? 'verification' : 'rebuild'} of ${projection}`;
  if (state === RebuildState.CANCELLED) return `The ${what} was canceled.\n`;
  if (state === RebuildState.FAILED) return `The ${what} failed: ${error}\n`;
  const took = startedAt && finishedAt ? ` in ${seconds(timestampMs(finishedAt) / 1000 - timestampMs(startedAt) / 1000)}` : '';
  if (!verify) return `${projection} is rebuilt: ${done.toLocaleString('en')} done${took}.\n`;
  if (differenceCount === 0n) return `${projection} is as it should be: ${done.toLocaleString('en')} compared${took}.\n`;
  const rows = differences.map(({ table, key, kind, columns }) => [
    DifferenceKind[kind].toLowerCase(),
    table,
    key,
    columns.join(', '),
  ]);
  const table = alignedRows()([['DIFFERENCE', 'TABLE', 'KEY', 'COLUMNS'], ...rows]);
  return `${table}\n${projection} has ${counted(differenceCount, 'difference')}: \`bicameral projection rebuild ${projection}\` makes its tables again.\n`;
}
