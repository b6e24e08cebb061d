import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import type { Call } from './call.ts';
import { DRY_RUN_HEADER } from './dry-run.ts';
import { domainError, type FieldViolation } from './errors.ts';

export const CONSISTENCY_HEADER = 'cqrs-consistency';

/** How old at most may be what a query reads: `500ms`, `5s`, `1m`. */
export const MAX_STALENESS_HEADER = 'cqrs-max-staleness';

/** In an answer: what its database had. In a query: what has to be seen. A command may have it, as clients that send it always do. */
export const CONSISTENCY_TOKEN_HEADER = 'cqrs-consistency-token';

/**
 * In an answer: a token by which the service knows the caller's device again. In a request: that token. It lets nobody in; guesses that
 * come with it are counted apart from those of strangers.
 */
export const DEVICE_HEADER = 'cqrs-device';

/** What callers send of the bus's own. */
export const REQUEST_HEADERS: ReadonlySet<string> = new Set([
  CONSISTENCY_HEADER,
  MAX_STALENESS_HEADER,
  CONSISTENCY_TOKEN_HEADER,
  DRY_RUN_HEADER,
  DEVICE_HEADER,
]);

export class HeaderInvalid extends domainError(ReasonSchema, Reason.HEADER_INVALID) {
  override readonly violations: readonly FieldViolation[];
  constructor(problem: string) {
    super(problem);
    this.violations = [{ field: '', description: problem }];
  }
}

/** Throws HeaderInvalid for a command with a header that looks like one of the bus and is none: a misspelled `cqrs-dry-run` would be done. */
export function refuseUnknownHeaders(call: Call): void {
  for (const name of call.headerNames) {
    if (name.startsWith('cqrs-') && !REQUEST_HEADERS.has(name)) {
      const known = [...REQUEST_HEADERS].join(', ');
      throw new HeaderInvalid(`the bus knows no header of this name: ${name.slice(0, 64)}; known: ${known}`);
    }
  }
}

/** Whether a query has to be answered with everything that was answered before. Throws HeaderInvalid. */
export function wantsStrongConsistency(call: Call): boolean {
  const value = call.headerValue(CONSISTENCY_HEADER);
  if (value === undefined) return false;
  if (value !== 'strong') throw new HeaderInvalid(`the header ${CONSISTENCY_HEADER} has to be strong, or left out`);
  return true;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** How old what a query reads may be, in milliseconds; undefined when its caller does not say. Throws HeaderInvalid. */
export function mostStaleness(call: Call): number | undefined {
  const value = call.headerValue(MAX_STALENESS_HEADER);
  if (value === undefined) return undefined;
  const [, number, unit = ''] = /^([0-9]{1,9})(ms|s|m)$/.exec(value) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined)
    throw new HeaderInvalid(`the header ${MAX_STALENESS_HEADER} has to be a time such as 500ms, 5s or 1m`);
  return Number(number) * factor;
}
