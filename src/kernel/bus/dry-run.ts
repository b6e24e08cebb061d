import { accessRule } from './access.ts';
import type { Call } from './call.ts';
import { BusError, type FieldViolation } from './errors.ts';

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

/**
 * Anybody may call the rpc, and its dry run would tell strangers what there is, such as who has an account, without leaving a trace in the
 * data. Nothing was done: send the command without the header.
 */
export class DryRunRefused extends BusError {
  readonly reason = 'DRY_RUN_REFUSED';
  readonly kind = 'invalid';
  override readonly violations: readonly FieldViolation[] = [
    { field: '', description: `this rpc can be called by anybody and takes no ${DRY_RUN_HEADER}` },
  ];
  constructor() {
    super(`this rpc can be called by anybody and takes no ${DRY_RUN_HEADER}`);
  }
}

/** Whether the caller wants to know only how the command would end. Throws DryRunInvalid and DryRunRefused. */
export function isDryRun(call: Call): boolean {
  const value = call.headerValue(DRY_RUN_HEADER);
  if (value === undefined || value === 'false') return false;
  if (value !== 'true') throw new DryRunInvalid();
  if (accessRule(call.method)?.anonymous) throw new DryRunRefused();
  return true;
}
