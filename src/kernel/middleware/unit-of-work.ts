import { toBinary } from '@bufbuild/protobuf';
import { createContextKey } from '@connectrpc/connect';
import type { OutageLog } from '../background/outage-log.ts';
import type { Answer } from '../bus/answer.ts';
import type { Call, Message } from '../bus/call.ts';
import { attemptKey } from '../bus/context-keys.ts';
import { DRY_RUN_HEADER } from '../bus/dry-run.ts';
import { DatabaseUnavailable } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { clearSecrets } from '../bus/redaction.ts';
import { type CommandAttempt, commandAttemptKey } from '../command-log/command-attempt.ts';
import { translateSqlError } from '../database/sql-errors.ts';
import type { Claim } from '../database/write/idempotency-keys.ts';
import { type CommandEnding, type UnitOfWork, unitOfWorkKey } from '../database/write/unit-of-work.ts';
import { ATTRIBUTE } from '../telemetry/attributes.ts';
import { targetAttributes } from '../telemetry/call-span.ts';
import { inSpan } from '../telemetry/spans.ts';

const NEEDS: readonly Need[] = [
  { name: 'audit', because: 'what a command did is committed together with its record' },
  { name: 'retry', because: 'a command that lost against another one runs again in a transaction of its own' },
];

/** The idempotency key of the command under way, to be stored with what it does. */
export const claimKey = createContextKey<Claim | undefined>(undefined, { description: 'idempotency key' });

/**
 * Gives the command one transaction: committed with its record when the handler answered, rolled back when it refused or failed. A dry
 * run is written like any other and then rolled back; secrets are taken out of its answer, because nothing may come of it.
 *
 * What the database says when it fails commands goes to `outages`, once an outage.
 */
export function unitOfWork(
  begin: (call: Call, attempt: number) => UnitOfWork,
  outages?: Pick<OutageLog, 'failed' | 'worked'>,
): Middleware {
  const around: Around = (next) => (call) => {
    const attempt = attemptOf(call);
    const number = call.contextValues.get(attemptKey);
    call.startTry();
    return inSpan('unit of work', { attributes: { [ATTRIBUTE.attempt]: number } }, async (span) => {
      const work = begin(call, number);
      call.contextValues.set(unitOfWorkKey, work);
      try {
        const answer = (await next(call)) as Answer<Message>;
        const ending = endingOf(call, attempt, answer);
        if (!attempt.dryRun) {
          await work.commit(ending);
          attempt.isRecorded = true;
          if (span) attempt.target = work.target;
          outages?.worked();
          return answer;
        }
        await work.write(ending);
        attempt.target = work.target;
        await work.rollback();
        clearSecrets(answer.method.output, answer.message);
        answer.setHeader(DRY_RUN_HEADER, 'true');
        return answer;
      } catch (error) {
        attempt.target = work.target;
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

function attemptOf(call: Call): CommandAttempt {
  const attempt = call.contextValues.get(commandAttemptKey);
  if (!attempt) throw new Error('the pipeline has no audit');
  return attempt;
}

function endingOf(call: Call, attempt: CommandAttempt, { method, message }: Answer<Message>): CommandEnding {
  const claim = call.contextValues.get(claimKey);
  return {
    attempt: attempt.attempt({ whole: true }),
    claim: claim && { ...claim, response: Buffer.from(toBinary(method.output, message)) },
  };
}
