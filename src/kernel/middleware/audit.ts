import type { Interceptor } from '@connectrpc/connect';
import { answerOf } from '../bus/answer.ts';
import { callOf } from '../bus/call.ts';
import type { CommandRecorder } from '../command-log/command-recorder.ts';
import type { RefusalTally } from '../command-log/refusal-tally.ts';
import { refuseUnknownHeaders } from './bus-headers.ts';
import { COMMAND_ID_HEADER, CommandAttempt, commandAttemptKey } from './command-attempt.ts';
import { isDryRun } from './dry-run.ts';

/**
 * Puts every attempted command on record, however it ends. The record of a success is committed by the unit of work together with what
 * the command did; every other one is stored here before the caller is answered. When that cannot be done, the caller is told so
 * (DatabaseUnavailable, Overloaded) and nothing else: what is not on record is not answered. Refusals that come too fast for that are
 * counted and go on record by their number (`RefusalTally`).
 *
 * It stands inside the deadline, so that a command has one record, made when its work has ended: a COMMIT under way may still succeed
 * after the caller was told that the deadline has passed.
 */
export function audit(recorder: Pick<CommandRecorder, 'record'>, refusals: Pick<RefusalTally, 'admit'>): Interceptor {
  /** True when it was counted instead. */
  const isCounted = (attempt: CommandAttempt, error: unknown): boolean => {
    const refusal = attempt.refusal(error);
    return refusal !== undefined && !refusals.admit(refusal);
  };

  return (next) => async (request) => {
    const call = callOf(request);
    const attempt = new CommandAttempt(call);
    call.contextValues.set(commandAttemptKey, attempt);
    let response: Awaited<ReturnType<typeof next>>;
    try {
      refuseUnknownHeaders(call);
      attempt.dryRun = isDryRun(call);
      response = await next(request);
    } catch (error) {
      attempt.isCounted = isCounted(attempt, error);
      if (!attempt.isCounted) await recorder.record(attempt.record(error));
      throw error;
    }
    if (!attempt.isRecorded) await recorder.record(attempt.record(undefined));
    answerOf(response).setHeader(COMMAND_ID_HEADER, attempt.answeredBy ?? call.id);
    return response;
  };
}
