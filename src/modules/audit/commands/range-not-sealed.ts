import { DomainError } from '../../../kernel/bus/errors.ts';

/** A month that was to be removed holds records that are not sealed yet; `metadata` names it. */
export class RangeNotSealed extends DomainError {
  readonly reason = 'RANGE_NOT_SEALED';
  readonly kind = 'precondition';
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(month: string) {
    super(`records of ${month} are not sealed yet, so that nobody could tell later whether they were there`);
    this.metadata = { month };
  }
}
