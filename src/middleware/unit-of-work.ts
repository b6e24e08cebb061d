import type { Interceptor } from '@connectrpc/connect';
import { type Call, callOf } from '../cqrs/call.ts';
import { attemptKey } from '../cqrs/context-keys.ts';
import { translateSqlError } from '../postgres/sql-errors.ts';
import { type UnitOfWork, unitOfWorkKey } from '../postgres/writer/unit-of-work.ts';

/** Gives the command one transaction: committed when the handler answered, rolled back when it refused or failed. */
export function unitOfWork(begin: (call: Call, attempt: number) => UnitOfWork): Interceptor {
  return (next) => async (request) => {
    const call = callOf(request);
    const work = begin(call, call.contextValues.get(attemptKey));
    call.contextValues.set(unitOfWorkKey, work);
    try {
      const response = await next(request);
      await work.commit();
      return response;
    } catch (error) {
      await work.rollback();
      throw translateSqlError(error);
    }
  };
}
