import type { Answer } from '../bus/answer.ts';
import { refuseUnknownHeaders } from '../bus/bus-headers.ts';
import { dryRunOf } from '../bus/dry-run.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { COMMAND_ID_HEADER, CommandAttempt, commandAttemptKey } from '../command-log/command-attempt.ts';
import type { CommandRecorder } from '../command-log/command-recorder.ts';
import type { RefusalTally } from '../command-log/refusal-tally.ts';

const NEEDS: readonly Need[] = [
  { name: 'errors', because: 'a caller whose command cannot be recorded gets a typed error' },
  { name: 'deadline', because: 'the one record of a command is made when its work has ended, which can be after its deadline' },
];

/**
 * Puts every attempted command on record, however it ends. The record of a success is committed by the unit of work together with what
 * the command did; every other one is stored here before the caller is answered. When that cannot be done, the caller is told so
 * (DatabaseUnavailable, Overloaded) and nothing else: what is not on record is not answered. Refusals that come too fast for that are
 * counted and go on record by their number (`RefusalTally`).
 *
 * It stands inside the deadline, so that a command has one record, made when its work has ended: a COMMIT under way may still succeed
 * after the caller was told that the deadline has passed.
 */
export function recording(recorder: Pick<CommandRecorder, 'record'>, refusals: Pick<RefusalTally, 'admit'>): Middleware {
  const around: Around = (next) => async (call) => {
    const dryRun = dryRunOf(call);
    const attempt = new CommandAttempt(call, { dryRun: dryRun === true });
    call.contextValues.set(commandAttemptKey, attempt);
    let answer: Answer;
    try {
      refuseUnknownHeaders(call);
      if (typeof dryRun !== 'boolean') throw dryRun;
      answer = await next(call);
    } catch (error) {
      if (!attempt.countedBy(refusals, error)) await recorder.record(attempt.failed(error));
      throw error;
    }
    if (answer.commandId !== call.id) await recorder.record(attempt.answered(answer));
    answer.setHeader(COMMAND_ID_HEADER, answer.commandId ?? call.id);
    return answer;
  };
  return busMiddleware('recording', () => around, NEEDS);
}
