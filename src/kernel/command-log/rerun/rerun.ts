import { Code } from '@connectrpc/connect';
import type { Roles } from '../../auth/roles.ts';
import type { Answer } from '../../bus/answer.ts';
import { Call } from '../../bus/call.ts';
import { causeKey, principalKey } from '../../bus/context-keys.ts';
import { methodName } from '../../bus/convention.ts';
import { Conflict, DomainError } from '../../bus/errors.ts';
import { rerunKey } from '../../bus/rerun.ts';
import { unitOfWorkKey } from '../../database/write/unit-of-work.ts';
import { CommandAttempt, commandAttemptKey } from '../command-attempt.ts';
import type { CommandRecorder } from '../command-recorder.ts';
import type { CommandToRerun, Rerun, RerunCommand } from './command-to-rerun.ts';

/** They tell of the circumstances and not of the command. */
const CIRCUMSTANCES: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Canceled,
]);

/**
 * Runs recorded commands again through the `rerun` pipeline. Each is rolled back, unless there is a recorder: then what it does is kept,
 * and so is its record, however it ends.
 */
export function createRerun({
  roles,
  recorder,
  report,
}: {
  roles: Pick<Roles, 'permissionsOf' | 'declared'>;
  recorder?: Pick<CommandRecorder, 'record'>;
  /** Told of the errors that nobody planned; each is the outcome `failed` of its command. */
  report: (error: unknown, commandId: string) => void;
}): Rerun {
  return async (command, signal) => {
    const call = callFor(command, roles);
    const attempt = new CommandAttempt(call, { dryRun: recorder === undefined || command.dryRun });
    call.contextValues.set(commandAttemptKey, attempt);

    const { answer, error } = await endOf(command, call, signal);
    if (error instanceof Conflict || (error instanceof DomainError && CIRCUMSTANCES.has(error.code))) throw error;
    if (error !== undefined && !(error instanceof DomainError)) report(error, command.id);
    const record = answer ? attempt.answered(answer) : attempt.failed(error);
    if (recorder && answer?.commandId !== call.id) await recorder.record(record);

    const { outcome, code, reason } = record;
    if (error !== undefined) return { outcome, code, reason, target: record.target, events: [], state: undefined };
    return { outcome, code, reason, ...changesOf(call) };
  };
}

function callFor(
  { route, id, request, principal, cause, verdict, peer, userAgent }: CommandToRerun,
  roles: Pick<Roles, 'permissionsOf' | 'declared'>,
): Call {
  const call = new Call({
    method: route.method,
    request,
    id,
    origin: { door: 'in-process', peer, deadline: undefined, requestMethod: 'POST' },
    header: () => new Headers(),
    readHeader: (name) => (name === 'user-agent' ? userAgent : undefined),
  });
  // A reactor has no roles and may do everything.
  const permissions = cause ? roles.declared : roles.permissionsOf(principal.roles);
  call.contextValues.set(principalKey, { ...principal, permissions });
  call.contextValues.set(causeKey, cause);
  call.contextValues.set(rerunKey, verdict);
  return call;
}

type End = { readonly answer: Answer; readonly error?: undefined } | { readonly answer?: undefined; readonly error: unknown };

async function endOf({ route }: CommandToRerun, call: Call, signal: AbortSignal): Promise<End> {
  if (!route.rerun) throw new Error(`${methodName(route.method)} cannot be run again`);
  const cancel = (): void => call.cancellation.cancel(signal.reason);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel);
  try {
    return { answer: await route.rerun(call) };
  } catch (error) {
    return { error: error ?? new Error('thrown without an error') };
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function changesOf(call: Call): Pick<RerunCommand, 'target' | 'events' | 'state'> {
  const work = call.contextValues.get(unitOfWorkKey);
  const events = work?.events.map(({ event, ...rest }) => ({ ...event, ...rest })) ?? [];
  return { target: work?.target, events, state: work?.state };
}
