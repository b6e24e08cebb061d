import { Reason, ReasonSchema } from '#gen/audit/v1/reasons_pb.js';
import { domainError } from '../../../kernel/bus/errors.ts';

export class RangeNotSealed extends domainError(ReasonSchema, Reason.RANGE_NOT_SEALED) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(month: string) {
    super(`records of ${month} are not sealed yet; without a seal nobody could prove later that they existed`);
    this.metadata = { month };
  }
}
