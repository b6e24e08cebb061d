import { Reason, ReasonSchema } from '#gen/events/v1/reasons_pb.js';
import { domainError, type FieldViolation } from '../../kernel/bus/errors.ts';

export class EventTypeUnknown extends domainError(ReasonSchema, Reason.EVENT_TYPE_UNKNOWN) {
  override readonly violations: readonly FieldViolation[];
  constructor(types: readonly string[]) {
    super(`no events are stored of ${types.join(', ')}`);
    this.violations = types.map((type) => ({ field: 'filter.types', description: `no events are stored of ${type}` }));
  }
}
