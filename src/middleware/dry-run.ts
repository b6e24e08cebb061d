import type { Call } from '../cqrs/call.ts';
import { BusError, type FieldViolation } from '../cqrs/errors.ts';

/** In a request: try the command and change nothing. In an answer: it was only tried. */
export const DRY_RUN_HEADER = 'cqrs-dry-run';

/** The header `cqrs-dry-run` says neither `true` nor `false`. Whoever sends it may mean either, so nothing was done. */
export class DryRunInvalid extends BusError {
  readonly reason = 'DRY_RUN_INVALID';
  readonly kind = 'invalid';
  override readonly violations: readonly FieldViolation[] = [
    { field: '', description: `the header ${DRY_RUN_HEADER} has to be true or false` },
  ];
  constructor() {
    super(`the header ${DRY_RUN_HEADER} has to be true or false`);
  }
}

/** Whether the caller wants to know only how the command would end. Throws DryRunInvalid. */
export function isDryRun(call: Call): boolean {
  const value = call.headerValue(DRY_RUN_HEADER);
  if (value === undefined || value === 'false') return false;
  if (value === 'true') return true;
  throw new DryRunInvalid();
}
