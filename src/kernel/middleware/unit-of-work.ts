import type { OutageLog } from '../background/outage-log.ts';
import type { Answer } from '../bus/answer.ts';
import type { Call, Message } from '../bus/call.ts';
import { DRY_RUN_HEADER } from '../bus/dry-run.ts';
import { DatabaseUnavailable } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { clearSecrets } from '../bus/redaction.ts';
import { type CommandAttempt, commandAttemptKey } from '../command-log/command-attempt.ts';
import type { AnswerTokens } from '../consistency/answer-tokens.ts';
import { translateSqlError } from '../database/sql-errors.ts';
import type { Claim } from '../database/write/idempotency-keys.ts';
import { type CommandEnding, type UnitOfWork, unitOfWorkKey } from '../database/write/unit-of-work.ts';
import { ATTRIBUTE } from '../telemetry/attributes.ts';
import { targetAttributes } from '../telemetry/call-span.ts';
import { inSpan } from '../telemetry/spans.ts';

const NEEDS: readonly Need[] = [
  { name: 'recording', because: 'the changes of a command commit together with its record' },
  { name: 'retry', because: 'a command that lost against another runs again in a new transaction' },
];

/**
 * Gives the command one transaction: committed with its record when the handler answered, rolled back when it refused or failed. A dry
 * run is written like any other and then rolled back; secrets are taken out of its answer, because nothing may come of it.
 *
 * The answer carries a consistency token: who presents it sees what the command did. What the database says when it fails commands goes to
 * `outages`, once an outage.
 */
export function unitOfWork(
  begin: (call: Call, tryNumber: number, soughtKey?: Claim) => UnitOfWork,
  { outages, tokens }: { outages?: Pick<OutageLog, 'failed' | 'worked'> | undefined; tokens?: AnswerTokens | undefined } = {},
): Middleware {
  const around: Around = (next) => (call) => {
    const attempt = attemptOf(call);
    const number = attempt.startTry();
    return inSpan('unit of work', { attributes: { [ATTRIBUTE.attempt]: number } }, async (span) => {
      const work = begin(call, number, attempt.soughtKey);
      call.contextValues.set(unitOfWorkKey, work);
      try {
        const answer = (await next(call)) as Answer<Message>;
        const ending = attempt.ending(answer);
        if (attempt.dryRun) return await rehearsed(work, ending, answer);
        const committed = await work.commit(ending);
        outages?.worked();
        tokens?.give(answer, committed);
        return answer.recordedAs(call.id);
      } catch (error) {
        await work.rollback();
        const translated = translateSqlError(error);
        if (translated instanceof DatabaseUnavailable) outages?.failed(error);
        throw translated;
      } finally {
        span?.setAttributes(targetAttributes(attempt.target));
      }
    });
  };
  return busMiddleware('unit of work', () => around, NEEDS);
}

/** Writes as a commit does, and takes it back. */
async function rehearsed(work: UnitOfWork, ending: CommandEnding, answer: Answer<Message>): Promise<Answer> {
  await work.write(ending);
  await work.rollback();
  clearSecrets(answer.method.output, answer.message);
  answer.setHeader(DRY_RUN_HEADER, 'true');
  return answer;
}

function attemptOf(call: Call): CommandAttempt {
  const attempt = call.contextValues.get(commandAttemptKey);
  if (!attempt) throw new Error('the pipeline records no commands');
  return attempt;
}
