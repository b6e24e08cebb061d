import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { accessRule } from './access.ts';
import type { Call } from './call.ts';
import { domainError, type FieldViolation } from './errors.ts';

/** In a request: try the command and change nothing. In an answer: it was only tried. */
export const DRY_RUN_HEADER = 'cqrs-dry-run';

export class DryRunInvalid extends domainError(ReasonSchema, Reason.DRY_RUN_INVALID) {
  override readonly violations: readonly FieldViolation[] = [
    { field: '', description: `the header ${DRY_RUN_HEADER} has to be true or false` },
  ];
  constructor() {
    super(`the header ${DRY_RUN_HEADER} has to be true or false`);
  }
}

export class DryRunRefused extends domainError(ReasonSchema, Reason.DRY_RUN_REFUSED) {
  override readonly violations: readonly FieldViolation[] = [
    { field: '', description: `anybody may call this rpc, so it takes no ${DRY_RUN_HEADER}` },
  ];
  constructor() {
    super(`anybody may call this rpc, so it takes no ${DRY_RUN_HEADER}`);
  }
}

/** Whether the caller wants to know only how the command would end, or why that cannot be told. */
export function dryRunOf(call: Call): boolean | DryRunInvalid | DryRunRefused {
  const value = call.headerValue(DRY_RUN_HEADER);
  if (value === undefined || value === 'false') return false;
  if (value !== 'true') return new DryRunInvalid();
  if (accessRule(call.method)?.anonymous) return new DryRunRefused();
  return true;
}
