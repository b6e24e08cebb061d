import { styleText } from 'node:util';
import { toJson } from '@bufbuild/protobuf';
import { type Duration, durationMs, type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  type GetStatusResponse,
  GetStatusResponseSchema,
  type Processor,
  ProcessorKind,
} from '#gen/operations/v1/query_service_pb.js';
import { type Rebuild, RebuildState } from '#gen/operations/v1/rebuild_pb.js';
import { alignedRows } from '../aligned-rows.ts';
import { bytes, counted, seconds } from '../units.ts';
import { problemsOf, type ServiceStatus, wordsOf } from './service-status.ts';

/** One object, on a line. */
export function statusJson(status: ServiceStatus): string {
  const { services, databases, operations } = status;
  const told = operations && toJson(GetStatusResponseSchema, operations, { alwaysEmitImplicit: true });
  const problems = problemsOf(status).map(({ subject, description }) => ({ subject, description }));
  return `${JSON.stringify({ services, databases, problems, ...(told !== undefined && { operations: told }) })}\n`;
}

interface Look {
  /** With the time, where it is shown again and again. */
  readonly now?: Date;
  readonly colors?: boolean;
}

/** What a person reads at a glance: what is wrong, who works on what, and how each part is. */
export function statusTable(status: ServiceStatus, { now, colors = false }: Look = {}): string {
  const styled = (style: 'bold' | 'red' | 'green', line: string): string =>
    colors ? styleText(style, line, { validateStream: false }) : line;
  const headed = ([headings, ...rows]: readonly (readonly string[])[]): string => {
    if (!headings || rows.length === 0) return '';
    const [first = '', ...others] = linesOf([headings, ...rows]);
    return `${[styled('bold', first), ...others].join('\n')}\n\n`;
  };
  const problems = problemsOf(status).map(({ subject, description }) => [`! ${subject}`, description]);
  const verdict =
    problems.length === 0
      ? styled('green', 'Nothing is wrong.')
      : linesOf(problems)
          .map((line) => styled('red', line))
          .join('\n');
  const { operations, notTold } = status;
  return [
    `${now ? `${now.toISOString().slice(0, 19).replace('T', ' ')} UTC\n` : ''}${verdict}\n\n`,
    ...(operations
      ? [headed(processorRows(operations)), headed(rebuildRows(operations)), headed(instanceRows(operations))]
      : [`Processors, instances and the feed are not shown: ${linesOf([[notTold ?? '']])[0]}\n\n`]),
    alignedRows()(factRows(status)),
  ].join('');
}

const linesOf = (rows: readonly (readonly string[])[]): string[] => alignedRows()(rows).trimEnd().split('\n');

function processorRows({ processors, instances, readAt }: GetStatusResponse): string[][] {
  const names = new Map(instances.map(({ instanceId, host, pid }) => [instanceId, `${pid} on ${host}`]));
  const alive = new Set(instances.filter((instance) => instance.alive).map(({ instanceId }) => instanceId));
  return [
    ['PROCESSOR', 'KIND', 'STATE', 'CHECKPOINT', 'BEHIND', 'OLDEST', 'PARKED', 'INSTANCE'],
    ...processors.map((processor) => [
      processor.partitions > 1 ? `${processor.name} ${processor.partition + 1}/${processor.partitions}` : processor.name,
      ProcessorKind[processor.kind].toLowerCase(),
      stateOf(processor, { isOwned: alive.has(processor.instanceId), readAt }),
      processor.checkpoint.toLocaleString('en'),
      counted(processor.lagEvents, 'event'),
      spanOf(processor.lag),
      processor.deadLetters.toLocaleString('en'),
      names.get(processor.instanceId) ?? processor.instanceId,
    ]),
  ];
}

function stateOf(
  { known, paused, failingSince }: Processor,
  { isOwned, readAt }: { isOwned: boolean; readAt: Timestamp | undefined },
): string {
  if (!known) return 'removed';
  if (paused) return 'paused';
  if (failingSince) return `failing for ${between(failingSince, readAt)}`;
  return isOwned ? 'running' : 'free';
}

const rebuildRows = ({ rebuilds }: GetStatusResponse): string[][] => [
  ['REBUILD', 'KIND', 'STATE', 'DONE', 'RATE', 'LEFT'],
  ...rebuilds.map((rebuild) => [
    rebuild.projection,
    rebuild.verify ? 'verification' : 'rebuild',
    rebuildState(rebuild),
    doneOf(rebuild),
    `${Math.round(rebuild.perSecond).toLocaleString('en')}/s`,
    rebuild.timeLeft ? spanOf(rebuild.timeLeft) : '',
  ]),
];

function rebuildState({ state, step, differenceCount }: Rebuild): string {
  const word = RebuildState[state].toLowerCase();
  if (state === RebuildState.RUNNING && step !== '') return `${word}: ${step}`;
  return differenceCount > 0n ? `${word}: ${counted(differenceCount, 'difference')}` : word;
}

function doneOf({ done, total }: Rebuild): string {
  const percent = total > 0n ? `${Math.floor((100 * Number(done)) / Number(total))} %` : '0 %';
  return `${percent} of ${total.toLocaleString('en')}`;
}

const instanceRows = ({ instances, readAt }: GetStatusResponse): string[][] => [
  ['INSTANCE', 'VERSION', 'STARTED', 'SEEN', 'PROCESSORS'],
  ...instances.map(({ host, pid, version, alive, startedAt, seenAt, processors }) => [
    `${pid} on ${host}`,
    version,
    startedAt ? `${between(startedAt, readAt)} ago` : '',
    alive ? 'now' : seenAt ? `${between(seenAt, readAt)} ago` : '',
    String(processors),
  ]),
];

/** The parts of which there is one of each kind or name, with what the health of the service says. */
function factRows({ services, databases, operations }: ServiceStatus): string[][] {
  const states = operations
    ? operations.databases.map(({ name, up, lagBytes, lag }) => {
        const behind = lag ? `, ${bytes(Number(lagBytes))} and ${spanOf(lag)} behind` : '';
        return ['database', name, up ? `up${behind}` : `unavailable${behind}`];
      })
    : Object.entries(databases).map(([name, up]) => ['database', name, up ? 'up' : 'unavailable']);
  return [
    ...(operations ? [feedRow(operations), logRow(operations), timersRow(operations)] : []),
    ...states,
    ...Object.entries(services).map(([name, state]) => ['service', name, wordsOf(state)]),
  ];
}

function feedRow({ sequencer, readAt }: GetStatusResponse): string[] {
  const { lastSequence = 0n, numberedAt, waitingEvents = 0n, waiting } = sequencer ?? {};
  const given = numberedAt && lastSequence > 0n ? `, given ${between(numberedAt, readAt)} ago` : '';
  const left = waitingEvents > 0n ? `; ${counted(waitingEvents, 'event')} without one for up to ${spanOf(waiting)}` : '';
  return ['feed', 'sequencer', `last number ${lastSequence.toLocaleString('en')}${given}${left}`];
}

function logRow({ log }: GetStatusResponse): string[] {
  const { unsealedRecords = 0n, unsealed, heldUpBy } = log ?? {};
  const oldest = unsealedRecords > 0n ? `, the oldest of ${spanOf(unsealed)} ago` : '';
  const writes = heldUpBy?.open ? durationMs(heldUpBy.open) / 1000 : 0;
  const who = heldUpBy?.prepared ? `the prepared transaction ${heldUpBy.prepared}` : `process ${heldUpBy?.pid}`;
  const holder = writes >= 1 ? `; ${who} has had a transaction open for ${seconds(writes)}` : '';
  return ['log', 'commands', `${counted(unsealedRecords, 'record')} without a seal${oldest}${holder}`];
}

function timersRow({ timers, readAt }: GetStatusResponse): string[] {
  const { waiting = 0n, due = 0n, failed = 0n, late, nextDueAt } = timers ?? {};
  const next = nextDueAt ? `, the next due in ${between(readAt ?? nextDueAt, nextDueAt)}` : '';
  const overdue = due > 0n ? `; ${due.toLocaleString('en')} due, for up to ${spanOf(late)}` : '';
  const given = failed > 0n ? `; ${failed.toLocaleString('en')} failed` : '';
  return ['timers', 'commands', `${waiting.toLocaleString('en')} waiting${next}${overdue}${given}`];
}

const spanOf = (duration: Duration | undefined): string => seconds(duration ? durationMs(duration) / 1000 : 0);

const between = (from: Timestamp, to: Timestamp | undefined): string =>
  seconds(to ? Math.max(0, Math.round((timestampMs(to) - timestampMs(from)) / 1000)) : 0);
