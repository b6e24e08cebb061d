import { Catch } from '@nestjs/common';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';

/** Leaves a line for every call that fails, which the benchmark counts. */
@Catch()
export class FailureFilter extends BaseRpcExceptionFilter {
  override catch(...[exception, host]: Parameters<BaseRpcExceptionFilter['catch']>): ReturnType<BaseRpcExceptionFilter['catch']> {
    process.stdout.write(`${JSON.stringify({ code: 'FAILED', error: String(exception) })}\n`);
    return super.catch(exception, host);
  }
}
