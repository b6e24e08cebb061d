import { Code } from '@connectrpc/connect';
import { permissionsOf } from '../auth/roles.ts';
import { Call } from '../bus/call.ts';
import { principalKey } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { Conflict, DomainError } from '../bus/errors.ts';
import { replayKey } from '../bus/replay.ts';
import type { CommandRecorder } from '../command-log/command-recorder.ts';
import type { CommandToReplay, Replay, ReplayedCommand } from '../command-log/replay.ts';
import { unitOfWorkKey } from '../database/write/unit-of-work.ts';
import { CommandAttempt, commandAttemptKey } from './command-attempt.ts';

/** They tell of the circumstances and not of the command. */
const CIRCUMSTANCES: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Canceled,
]);

/**
 * Runs recorded commands again through the `replay` pipeline. Each is rolled back, unless there is a recorder: then what it does is kept,
 * and so is its record, however it ends.
 */
export function createReplay({
  recorder,
  report,
}: {
  recorder?: Pick<CommandRecorder, 'record'>;
  /** Told of the errors that nobody planned; each is the outcome `failed` of its command. */
  report: (error: unknown, commandId: string) => void;
}): Replay {
  return async (command, signal) => {
    const call = callFor(command);
    const attempt = new CommandAttempt(call);
    attempt.dryRun = recorder === undefined || command.dryRun;
    call.contextValues.set(commandAttemptKey, attempt);

    const error = await errorOf(command, call, signal);
    if (error instanceof Conflict || (error instanceof DomainError && CIRCUMSTANCES.has(error.code))) throw error;
    if (error !== undefined && !(error instanceof DomainError)) report(error, command.id);
    const record = attempt.record(error);
    if (recorder && !attempt.isRecorded) await recorder.record(record);

    const { outcome, code, reason } = record;
    if (error !== undefined) return { outcome, code, reason, target: record.target, events: [], state: undefined };
    return { outcome, code, reason, ...changesOf(call) };
  };
}

function callFor({ route, id, request, principal, verdict, peer, userAgent }: CommandToReplay): Call {
  const call = new Call({
    method: route.method,
    request,
    id,
    origin: { door: 'in-process', peer, deadline: undefined, requestMethod: 'POST' },
    header: () => new Headers(),
    readHeader: (name) => (name === 'user-agent' ? userAgent : undefined),
  });
  call.contextValues.set(principalKey, { ...principal, permissions: permissionsOf(principal.roles) });
  call.contextValues.set(replayKey, verdict);
  return call;
}

async function errorOf({ route }: CommandToReplay, call: Call, signal: AbortSignal): Promise<unknown> {
  if (!route.replay) throw new Error(`${methodName(route.method)} cannot be run again`);
  const cancel = (): void => call.cancellation.cancel(signal.reason);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel);
  try {
    await route.replay(call);
    return undefined;
  } catch (error) {
    return error ?? new Error('thrown without an error');
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function changesOf(call: Call): Pick<ReplayedCommand, 'target' | 'events' | 'state'> {
  const work = call.contextValues.get(unitOfWorkKey);
  const target = work?.target;
  const aggregateVersion = target?.versionAfter ?? 0;
  const events = work?.events.map(({ id, event }) => ({ ...event, id, aggregateVersion })) ?? [];
  return { target, events, state: work?.state };
}
