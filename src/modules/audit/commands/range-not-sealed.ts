import { Reason, ReasonSchema } from '#gen/audit/v1/reasons_pb.js';
import { domainError } from '../../../kernel/bus/errors.ts';

export class RangeNotSealed extends domainError(ReasonSchema, Reason.RANGE_NOT_SEALED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(month: string) {
    super(`records of ${month} are not sealed yet, so that nobody could tell later whether they were there`);
    this.metadata = { month };
  }
}
