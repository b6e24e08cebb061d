import { toJsonString } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { QueryService, type Timer, TimerSchema, TimerState } from '#gen/operations/v1/query_service_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { alignedRows } from '../aligned-rows.ts';
import { OptionError, wholeNumber } from '../option-values.ts';
import { print } from '../print.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';
import { counted } from '../units.ts';

/** What `bicameral timers list` takes, as typed. */
export interface ListTimersOptions extends TrustFiles {
  readonly state?: string;
  readonly limit: string;
  readonly json?: boolean;
}

/** What `bicameral timers retry` takes, as typed. */
export interface RetryTimersOptions extends TrustFiles {
  readonly process?: string;
  readonly json?: boolean;
}

const MAX_PAGE_SIZE = 200;

const STATES = { waiting: TimerState.WAITING, due: TimerState.DUE, failed: TimerState.FAILED } as const;

/** `bicameral timers list`: in pages that are written as they come. */
export async function listTimers(
  environment: Environment,
  { process = '', options }: { process: string | undefined; options: ListTimersOptions },
): Promise<void> {
  const lines = alignedRows();
  let headings = [['TIMER', 'PROCESS', 'OF', 'KEY', 'COMMAND', 'DUE', 'STATE', 'TRIED', 'ERROR']];
  const state = options.state === undefined ? TimerState.UNSPECIFIED : stateNamed(options.state);
  let left = wholeNumber('--limit', options.limit, 1);
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    for (let pageToken = ''; left > 0; ) {
      const page = { process, state, pageToken, pageSize: Math.min(left, MAX_PAGE_SIZE) };
      const answer = await client(QueryService).listTimers(page, { headers: { 'cqrs-consistency': 'strong' } });
      const text = options.json
        ? answer.timers.map((timer) => `${toJsonString(TimerSchema, timer, { alwaysEmitImplicit: true })}\n`).join('')
        : lines([...headings, ...answer.timers.map(cellsOf)]);
      headings = [];
      if (!(await print(text)) || !answer.nextPageToken) return;
      pageToken = answer.nextPageToken;
      left -= answer.timers.length;
    }
  } finally {
    close();
  }
}

function stateNamed(name: string): TimerState {
  const state = Object.entries(STATES).find(([known]) => known === name)?.[1];
  if (state === undefined) throw new OptionError('--state', name, `give one of ${Object.keys(STATES).join(', ')}`);
  return state;
}

const cellsOf = ({ timerId, process, processKey, key, method, dueAt, state, attempts, error }: Timer): string[] => [
  timerId,
  process,
  processKey,
  key,
  method,
  dueAt ? timestampDate(dueAt).toISOString() : '',
  TimerState[state].toLowerCase(),
  String(attempts),
  error,
];

/** `bicameral timers retry` */
export async function retryTimers(
  environment: Environment,
  { timerId, options }: { timerId: string | undefined; options: RetryTimersOptions },
): Promise<void> {
  const { process } = options;
  if (timerId !== undefined && process !== undefined) throw new OptionError('--process', process, 'give it or the id of a timer');
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    const { timers } = await client(CommandService).retryTimer({
      ...(timerId !== undefined && { timers: { case: 'timerId', value: timerId } }),
      ...(process !== undefined && { timers: { case: 'process', value: process } }),
    });
    const told = timers === 0n ? 'No timer has failed.' : `${counted(timers, 'command')} will be sent again.`;
    await print(options.json ? `${JSON.stringify({ timers: Number(timers) })}\n` : `${told}\n`);
  } finally {
    close();
  }
}

/** `bicameral timers cancel` */
export async function cancelTimer(
  environment: Environment,
  { timerId, options }: { timerId: string; options: TrustFiles & { json?: boolean } },
): Promise<void> {
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    await client(CommandService).cancelTimer({ timerId });
    await print(
      options.json ? `${JSON.stringify({ timerId })}\n` : `Timer ${timerId} is cancelled: its command will not be sent.\n`,
    );
  } finally {
    close();
  }
}
